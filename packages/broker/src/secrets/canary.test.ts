import type { Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { migrate } from '../store/migrate.ts'
import { type OpenDatabase, openPostgres } from '../store/open-database.ts'
import type { Schema } from '../store/schema.ts'
import { startTestPostgres, type TestPostgres } from '../store/test-postgres.ts'
import { checkKeyRing } from './canary.ts'
import { generateKey, parseKeyRing } from './key-ring.ts'
import { loadSigningKey } from './signing-keys.ts'
import { insertConnector, insertConsentRequest, insertToken } from './test-rows.ts'

const value = () => generateKey(0).text.split(':')[1]
const [one, two] = [`k1:${value()}`, `k2:${value()}`]
const ring = parseKeyRing(one)

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
  for (const table of [
    'issued_tokens',
    'consent_requests',
    'connectors',
    'signing_keys',
    'installation',
  ] as const) {
    await db.deleteFrom(table).execute()
  }
})

describe('checkKeyRing', () => {
  it('accepts the ring that an empty database was started with, again and after a rotation began', async () => {
    await checkKeyRing(db, ring)
    await checkKeyRing(db, ring)
    await checkKeyRing(db, parseKeyRing(`${two},${one}`))
    expect(await db.selectFrom('installation').select('name').execute()).toEqual([
      { name: 'key-ring-canary' },
    ])
  })

  it('accepts a database with a consent that holds nothing sealed any more', async () => {
    await checkKeyRing(db, ring)
    await insertConnector(db, ring, 'con_1', 'secret')
    await insertConsentRequest(db, ring, { id: 'ask_1', connector: 'con_1' })
    await db.updateTable('consent_requests').set({ pending: null, credential: null }).execute()
    await checkKeyRing(db, ring)
  })

  it('S25 names the key that is missing, and the next step', async () => {
    await checkKeyRing(db, ring)
    await expect(checkKeyRing(db, parseKeyRing(two))).rejects.toMatchObject({
      name: 'KeyRingMismatch',
      message: expect.stringMatching(
        /^The database was encrypted with key k1, which VALETKEY_KEYS does not contain\. Add that key back/,
      ),
    })
  })

  it('S25 tells a key with the right name and another value', async () => {
    await checkKeyRing(db, ring)
    const impostor = parseKeyRing(`k1:${two.slice(3)}`)
    await expect(checkKeyRing(db, impostor)).rejects.toThrow(
      /^The value of key k1 in VALETKEY_KEYS is not the one/,
    )
  })

  it('S25 finds a key that only newer rows need: a rotation that was begun and taken back', async () => {
    await checkKeyRing(db, ring)
    await insertConnector(db, parseKeyRing(`${two},${one}`), 'con_1', 'secret')
    await expect(checkKeyRing(db, ring)).rejects.toThrow(
      'encrypted with key k2, which VALETKEY_KEYS does not',
    )
    await checkKeyRing(db, parseKeyRing(`${one},${two}`))
  })

  it.each([
    ['connectors', async () => await insertConnector(db, ring, 'con_1', 'secret')],
    ['signing_keys', async () => void (await loadSigningKey(db, ring, 'audit-checkpoint', 0))],
    [
      'issued_tokens',
      async () => {
        await insertConnector(db, ring, 'con_1', 'secret')
        await insertToken(db, ring, { id: 'stk_1', connector: 'con_1', installation: null }, 'token')
      },
    ],
  ])('S25 never makes a canary over sealed data in %s', async (_table, fill) => {
    await fill()
    await expect(checkKeyRing(db, ring)).rejects.toThrow('holds encrypted data')
    await expect(checkKeyRing(db, ring)).rejects.toThrow('from a backup')
    expect(await db.selectFrom('installation').selectAll().execute()).toEqual([])
  })

  it.each([
    ['another id', two],
    ['the same id', `k1:${two.slice(3)}`],
  ])(
    'S25 lets only one of two rings start a database at the same moment, the other with %s',
    async (_id, text) => {
      for (let round = 0; round < 10; round += 1) {
        await db.deleteFrom('installation').execute()
        const outcomes = await Promise.allSettled([
          checkKeyRing(db, ring),
          checkKeyRing(db, parseKeyRing(text)),
        ])
        expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      }
    },
  )

  it('says so when the canary is damaged', async () => {
    await checkKeyRing(db, ring)
    await db.updateTable('installation').set({ value: 'garbage' }).execute()
    await expect(checkKeyRing(db, ring)).rejects.toThrow('is damaged')
  })
})
