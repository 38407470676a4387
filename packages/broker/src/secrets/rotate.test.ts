import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadSubjectSecret } from '../gateway/subject.ts'
import { silentLog } from '../log.ts'
import { migrate } from '../store/migrate.ts'
import { type OpenDatabase, openPostgres } from '../store/open-database.ts'
import type { Schema } from '../store/schema.ts'
import { startTestPostgres, type TestPostgres } from '../store/test-postgres.ts'
import { checkKeyRing } from './canary.ts'
import { generateKey, parseKeyRing } from './key-ring.ts'
import { rotateKeys } from './rotate.ts'
import { open, seal, sealedWith } from './seal.ts'
import {
  canaryName,
  connectorSecretsContext,
  grantContext,
  issuedTokenContext,
  sealedColumns,
} from './sealed-columns.ts'
import { loadSigningKey } from './signing-keys.ts'
import { insertConnector, insertConsentRequest, insertGrant, insertToken } from './test-rows.ts'

const value = () => generateKey(0).text.split(':')[1]
// The new id is a pattern that matches the old one, were it used in a `like`.
const [one, two] = [`keyA1:${value()}`, `key_1:${value()}`]
const before = parseKeyRing(one)
const during = parseKeyRing(`${two},${one}`)
const after = parseKeyRing(two)

let server: TestPostgres
let database: OpenDatabase
let db: Kysely<Schema>
beforeAll(async () => {
  server = await startTestPostgres()
  database = openPostgres({ url: await server.createDatabase(), log: silentLog })
  db = database.db
  await migrate(db)
})
afterAll(async () => {
  await database?.close()
  await server.stop()
})
beforeEach(async () => {
  const tables = [
    'issued_tokens',
    'grants',
    'consent_requests',
    'connectors',
    'signing_keys',
    'installation',
  ] as const
  for (const table of tables) {
    await db.deleteFrom(table).execute()
  }
})

async function fill(tokens: number): Promise<void> {
  await checkKeyRing(db, before)
  await loadSigningKey(db, before, 'audit-checkpoint', 0)
  await loadSigningKey(db, before, 'development-identity', 0)
  await insertConnector(db, before, 'con_1', 'client secret 1')
  await insertConnector(db, before, 'con_2', 'client secret 2')
  for (let index = 0; index < tokens; index += 1) {
    const installation = index % 2 === 0 ? null : 'ins_1'
    await insertToken(db, before, { id: `stk_${index}`, connector: 'con_1', installation }, `token ${index}`)
  }
}

/** One of everything else that is sealed. */
async function fillWithConsent(): Promise<void> {
  await loadSubjectSecret(db, before)
  await insertGrant(db, before, { id: 'grt_1', connector: 'con_1', userId: 'ann' }, 'credential')
  await insertConsentRequest(db, before, { id: 'ask_1', connector: 'con_1' })
}

async function tokens(ring = after): Promise<string[]> {
  const rows = await db.selectFrom('issued_tokens').selectAll().orderBy('issued_at').execute()
  return rows.map((row) => open(ring, issuedTokenContext(row), row.token))
}

/** How many values are sealed with each key, over the whole database: every text that begins like a sealed one. */
async function sealedPerKey(): Promise<Record<string, number>> {
  const columns = await sql<{ table: string; column: string }>`
    select table_name as "table", column_name as "column" from information_schema.columns
    where table_schema = 'public' and data_type = 'text'`.execute(db)
  const counts: Record<string, number> = {}
  for (const { table, column } of columns.rows) {
    const found = await sql<{ value: string }>`
      select ${sql.ref(column)} as value from ${sql.table(table)}
      where starts_with(${sql.ref(column)}, 'v1.')`.execute(db)
    for (const row of found.rows) counts[sealedWith(row.value)] = (counts[sealedWith(row.value)] ?? 0) + 1
  }
  return counts
}

describe('rotateKeys', () => {
  it('S25 wraps every sealed value of the database anew, so that the old key can leave the ring', async () => {
    await fill(25)
    await fillWithConsent()
    expect(await sealedPerKey()).toEqual({ keyA1: 34 })
    const progress: number[] = []
    const rotation = await rotateKeys(db, during, {
      batchSize: 10,
      onProgress: ({ rewrapped }) => progress.push(rewrapped),
    })
    expect(rotation).toEqual({
      complete: true,
      tables: [
        { table: 'connectors', rewrapped: 2, unreadable: 0, remaining: 0 },
        { table: 'issued_tokens', rewrapped: 25, unreadable: 0, remaining: 0 },
        { table: 'grants', rewrapped: 1, unreadable: 0, remaining: 0 },
        { table: 'consent_requests', rewrapped: 1, unreadable: 0, remaining: 0 },
        { table: 'consent_requests', rewrapped: 1, unreadable: 0, remaining: 0 },
        { table: 'signing_keys', rewrapped: 2, unreadable: 0, remaining: 0 },
        { table: 'installation', rewrapped: 1, unreadable: 0, remaining: 0 },
        { table: 'installation', rewrapped: 1, unreadable: 0, remaining: 0 },
      ],
    })
    expect(progress).toEqual([2, 10, 20, 25, 1, 1, 1, 2, 1, 1])
    expect(await sealedPerKey()).toEqual({ key_1: 34 })
    const grant = await db.selectFrom('grants').selectAll().executeTakeFirstOrThrow()
    expect(open(after, grantContext(grant), grant.credential)).toBe('credential')
    await checkKeyRing(db, after)
    expect(new Set(await tokens()).size).toBe(25)
    await expect(checkKeyRing(db, before)).rejects.toThrow('encrypted with key key_1')
  })

  it('has nothing to do the second time', async () => {
    await fill(3)
    await rotateKeys(db, during)
    const again = await rotateKeys(db, during)
    expect(again.tables.map(({ rewrapped }) => rewrapped)).toEqual(sealedColumns.map(() => 0))
    expect(again.complete).toBe(true)
  })

  it('covers every column that the table of sealed columns lists, the canary last', () => {
    expect(sealedColumns.map(({ table, column }) => `${table}.${column}`)).toEqual([
      ...['connectors.secrets', 'issued_tokens.token', 'grants.credential'],
      ...['consent_requests.pending', 'consent_requests.credential', 'signing_keys.private_jwk'],
      ...['installation.value', 'installation.value'],
    ])
    expect(sealedColumns.at(-1)?.only).toBe(canaryName)
  })

  it('S25 re-wraps while another connection writes, and never undoes what was written', async () => {
    await fill(150)
    let running = true
    let version = 1
    let inserted = 0
    // What brokers on the new ring do meanwhile: new secrets for a connector, new tokens, ended tokens.
    const writer = (async () => {
      while (running) {
        const next = version + 1
        const secrets = seal(
          during,
          connectorSecretsContext({ id: 'con_1', version: next }),
          `secret ${next}`,
        )
        await db.updateTable('connectors').set({ secrets, version: next }).where('id', '=', 'con_1').execute()
        version = next
        const id = `stk_new_${inserted}`
        await insertToken(db, during, { id, connector: 'con_2', installation: null }, `new ${inserted}`)
        inserted += 1
        await db.deleteFrom('issued_tokens').where('id', '=', `stk_${inserted}`).execute()
      }
    })()
    const rotation = await rotateKeys(db, during, { batchSize: 7 })
    running = false
    await writer
    expect(rotation.complete).toBe(true)
    expect(inserted).toBeGreaterThan(5)
    expect(Object.keys(await sealedPerKey())).toEqual(['key_1'])
    const connector = await db
      .selectFrom('connectors')
      .selectAll()
      .where('id', '=', 'con_1')
      .executeTakeFirstOrThrow()
    expect(connector.version).toBe(version)
    expect(open(after, connectorSecretsContext(connector), connector.secrets)).toBe(`secret ${version}`)
    expect(await tokens()).toHaveLength(150 + inserted - Math.min(inserted, 149))
  })

  it('S25 does not put an old value over one that was written between its reading and its writing', async () => {
    await fill(0)
    const secrets = seal(before, connectorSecretsContext({ id: 'con_2', version: 2 }), 'newer')
    // The pool hands out one connection, so that the write comes exactly after the rotation's read.
    let reads = 0
    const spied = db.withPlugin({
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        const row = result.rows[0]
        if (row !== undefined && 'secrets' in row && reads++ === 0) {
          await db.updateTable('connectors').set({ secrets, version: 2 }).where('id', '=', 'con_2').execute()
        }
        return result
      },
    })
    const rotation = await rotateKeys(spied, during)
    expect(rotation.tables[0]).toEqual({ table: 'connectors', rewrapped: 2, unreadable: 0, remaining: 0 })
    const row = await db
      .selectFrom('connectors')
      .selectAll()
      .where('id', '=', 'con_2')
      .executeTakeFirstOrThrow()
    expect(row.version).toBe(2)
    expect(open(after, connectorSecretsContext(row), row.secrets)).toBe('newer')
  })

  it('S25 can be stopped at any moment and run again; until it has finished the old key is asked for', async () => {
    await fill(30)
    const stop = rotateKeys(db, during, {
      batchSize: 5,
      onProgress: ({ table, rewrapped }) => {
        if (table === 'issued_tokens' && rewrapped >= 10) throw new Error('stopped')
      },
    })
    await expect(stop).rejects.toThrow('stopped')
    expect(await sealedPerKey()).toEqual({ key_1: 12, keyA1: 23 })
    const canary = await db.selectFrom('installation').select('value').executeTakeFirstOrThrow()
    expect(sealedWith(canary.value)).toBe('keyA1')
    await expect(checkKeyRing(db, after)).rejects.toThrow('encrypted with key keyA1')
    expect((await rotateKeys(db, during)).tables[1]?.rewrapped).toBe(20)
    await checkKeyRing(db, after)
  })

  it('leaves alone what does not open, says how many, and finishes the rest', async () => {
    await fill(4)
    const swap = async (from: string, to: string) => {
      const row = await db
        .selectFrom('issued_tokens')
        .select('token')
        .where('id', '=', from)
        .executeTakeFirstOrThrow()
      await db.updateTable('issued_tokens').set({ token: row.token }).where('id', '=', to).execute()
    }
    await swap('stk_0', 'stk_1')
    const lost = parseKeyRing(generateKey(0).text)
    await insertToken(db, lost, { id: 'stk_lost', connector: 'con_1', installation: null }, 'lost')
    const rotation = await rotateKeys(db, during)
    expect(rotation.tables[1]).toEqual({ table: 'issued_tokens', rewrapped: 3, unreadable: 2, remaining: 0 })
    expect(rotation.complete).toBe(true)
  })

  it('S25 is not complete, and keeps the canary, while a replica on the old ring keeps writing', async () => {
    await fill(2)
    // After every look at the connectors the old replica has written once more.
    const spied = db.withPlugin({
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        const row = result.rows[0]
        if (row !== undefined && 'secrets' in row) {
          const version = Number(row.version) + 1
          const secrets = seal(before, connectorSecretsContext({ id: 'con_1', version }), 'old ring')
          await db.updateTable('connectors').set({ secrets, version }).where('id', '=', 'con_1').execute()
        }
        return result
      },
    })
    const rotation = await rotateKeys(spied, during)
    expect(rotation.complete).toBe(false)
    expect(rotation.tables[0]).toMatchObject({ table: 'connectors', remaining: 1 })
    const canary = await db.selectFrom('installation').select('value').executeTakeFirstOrThrow()
    expect(sealedWith(canary.value)).toBe('keyA1')
    await expect(checkKeyRing(db, after)).rejects.toThrow('encrypted with key keyA1')
  })
})
