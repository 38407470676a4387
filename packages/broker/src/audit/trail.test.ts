import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { readCheckpoints, verifyCheckpoint } from './checkpoint.ts'
import {
  allRows,
  makeKey,
  makeTrail,
  openPglite,
  openPostgres,
  sampleEvent,
  stream,
  type TestDatabase,
  type TestKey,
} from './test-databases.ts'
import { AuditUnavailable } from './trail.ts'
import { type AuditVerification, verifyAuditTrail } from './verify.ts'

async function verified(database: TestDatabase): Promise<AuditVerification> {
  return verifyAuditTrail(stream(await allRows(database)), [])
}

function inserts(database: TestDatabase): number {
  return database.statements().filter((text) => text.startsWith('insert into audit_events')).length
}

describe.each([
  ['PGlite', openPglite],
  ['PostgreSQL', openPostgres],
])('the audit trail on %s', (_, open) => {
  let database: TestDatabase
  let key: TestKey
  beforeAll(async () => {
    ;[database, key] = await Promise.all([open(), makeKey()])
  })
  afterAll(() => database.close())
  beforeEach(() => database.reset())

  it('commits a thousand concurrent events in a few inserts, without a gap', async () => {
    const { trail } = makeTrail(database, key)
    await Promise.all(Array.from({ length: 1000 }, (_, n) => trail.append(sampleEvent(n))))
    const rows = await allRows(database)
    expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: 1001 }, (_, seq) => seq))
    expect(rows.slice(1).map((row) => row.requestId)).toEqual(
      Array.from({ length: 1000 }, (_, n) => `req_${n}`),
    )
    expect(rows.map((row) => row.position)).toEqual(
      [...rows.map((row) => row.position)].sort((a, b) => a - b),
    )
    expect(inserts(database)).toBeLessThanOrEqual(3)
    expect(await verified(database)).toEqual({ valid: true, events: 1001, tail: 'unproven' })
  })

  it('has committed an event when append resolves', async () => {
    const { trail } = makeTrail(database, key)
    await trail.append(sampleEvent(1))
    const { rows } = await sql<{ found: string }>`
      select count(*) as found from audit_events where request_id = 'req_1'`.execute(database.db)
    expect(Number(rows[0]?.found)).toBe(1)
  })

  it('keeps text that PostgreSQL or canonical JSON can not hold, without failing its neighbours', async () => {
    const { trail } = makeTrail(database, key)
    const strange = [
      'nul \0 inside',
      'lone \ud800 surrogate',
      '"quotes" {braces}, NULL, \\ and é',
      '',
      'NULL',
    ]
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const results = await Promise.allSettled([
      ...strange.map((text) => trail.append(sampleEvent(0, { connectorId: text, details: { text } }))),
      trail.append(sampleEvent(1, { details: cycle })),
      trail.append({ kind: 'keys_rotated', actor: { type: 'host' } }),
    ])
    expect(results.map((result) => result.status)).toEqual([
      ...strange.map(() => 'fulfilled'),
      'rejected',
      'fulfilled',
    ])
    const rows = await allRows(database)
    expect(rows.slice(1).map((row) => row.connectorId)).toEqual([
      'nul \uFFFD inside',
      'lone \uFFFD surrogate',
      ...strange.slice(2),
      null,
    ])
    expect((await verified(database)).valid).toBe(true)
  })

  it('opens a chain that names the heads of the others', async () => {
    const first = makeTrail(database, key).trail
    await Promise.all([first.append(sampleEvent(1)), first.append(sampleEvent(2))])
    const [, , head] = await allRows(database)
    await makeTrail(database, key).trail.append(sampleEvent(3))
    const opening = (await allRows(database)).find((row) => row.seq === 0 && row.chain !== head?.chain)
    expect(JSON.parse(opening?.body ?? '')).toMatchObject({
      kind: 'chain_opened',
      actor: { type: 'broker' },
      details: { heads: [{ chain: head?.chain, seq: 2, hash: head?.hash }] },
    })
  })

  it('keeps openings and checkpoints short after many restarts, and all chains bound', async () => {
    for (let n = 0; n < 12; n += 1) await makeTrail(database, key).trail.append(sampleEvent(n))
    const { trail } = makeTrail(database, key)
    const jws = await trail.checkpoint()
    const checkpoint = await verifyCheckpoint(jws, key)
    expect(checkpoint).toMatchObject({ trusted: true, heads: [{ seq: 1 }] })
    const rows = await allRows(database)
    for (const cut of new Set(rows.map((row) => row.chain))) {
      const left = rows.filter((row) => row.chain !== cut || row.seq === 0)
      expect(await verifyAuditTrail(stream(left), [checkpoint])).toMatchObject({
        valid: false,
        problem: expect.stringContaining(cut),
      })
    }
  })

  it('S29 signs the heads of all chains, logs and stores the checkpoint, and skips it while nothing moved', async () => {
    const other = makeTrail(database, key).trail
    const { trail, logged } = makeTrail(database, key, { now: () => 1_700_000_000_500 })
    await trail.append(sampleEvent(1))
    await other.append(sampleEvent(2))
    const jws = await trail.checkpoint()
    expect(await trail.checkpoint()).toBe(jws)
    const stored = await database.db.selectFrom('audit_checkpoints').select('jws').execute()
    expect(stored).toEqual([{ jws }])
    expect(readCheckpoints(logged.join('\n'))).toEqual([jws])
    const checkpoint = await verifyCheckpoint(jws, { keys: key.keys, issuer: 'https://broker.test' })
    expect(checkpoint).toMatchObject({ trusted: true, signedAtMs: 1_700_000_000_000 })
    const proven = await verifyAuditTrail(stream(await allRows(database)), [checkpoint])
    expect(proven).toMatchObject({ valid: true, tail: 'proven', provenUntilMs: 1_700_000_000_000 })
    await other.append(sampleEvent(3))
    expect(await trail.checkpoint()).not.toBe(jws)
  })

  it('S29 names a chain again that moved on after an opening named it', async () => {
    const { trail } = makeTrail(database, key)
    await trail.append(sampleEvent(1))
    await makeTrail(database, key).trail.append(sampleEvent(2))
    await trail.append(sampleEvent(3))
    const checkpoint = await verifyCheckpoint(await makeTrail(database, key).trail.checkpoint(), key)
    await sql`delete from audit_events where request_id = 'req_3'`.execute(database.db)
    expect(await verifyAuditTrail(stream(await allRows(database)), [checkpoint])).toMatchObject({
      valid: false,
      problem: expect.stringContaining('the chain ends at event 1'),
    })
  })

  it('S29 convicts a cut that it has seen the events of, instead of signing what is left', async () => {
    const { trail, logged } = makeTrail(database, key)
    const other = makeTrail(database, key).trail
    await Promise.all([other.append(sampleEvent(1)), other.append(sampleEvent(2))])
    await trail.checkpoint()
    await sql`delete from audit_events where seq = 2`.execute(database.db)
    const checkpoint = await verifyCheckpoint(await trail.checkpoint(), key)
    expect(logged.join('\n')).toContain('audit events are missing or changed')
    expect(await verifyAuditTrail(stream(await allRows(database)), [checkpoint])).toMatchObject({
      valid: false,
      problem: expect.stringContaining('ends at event 1'),
    })
  })

  it('S29 anonymous floods grow the trail by one event a minute, and by none when there are none', async () => {
    const { trail } = makeTrail(database, key, { checkpointEveryMs: 60_000 })
    for (let n = 0; n < 50_000; n += 1) {
      trail.countAnonymous(n % 5 === 0 ? 'issuer_untrusted' : 'credential_missing')
    }
    await trail.stop()
    const rows = await allRows(database)
    expect(rows.map((row) => row.kind)).toEqual(['chain_opened', 'anonymous_refusals'])
    expect(JSON.parse(rows[1]?.body ?? '').details.counts).toEqual({
      issuer_untrusted: 10_000,
      credential_missing: 40_000,
    })
    await makeTrail(database, key).trail.stop()
    expect(await allRows(database)).toHaveLength(2)
  })

  it('does the work of a minute on its timer', async () => {
    const { trail, logged } = makeTrail(database, key, { checkpointEveryMs: 20 })
    await trail.start()
    trail.countAnonymous('credential_missing')
    await vi.waitFor(() => expect(readCheckpoints(logged.join('\n'))).toHaveLength(1), 5000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect((await allRows(database)).map((row) => row.kind)).toEqual(['chain_opened', 'anonymous_refusals'])
    await trail.stop()
    expect(readCheckpoints(logged.join('\n'))).toHaveLength(1)
  })

  it('writes what waits before it stops, signs it, and refuses what comes later', async () => {
    const { trail, logged } = makeTrail(database, key, { maxBatch: 10 })
    const appended = Promise.all(Array.from({ length: 55 }, (_, n) => trail.append(sampleEvent(n))))
    trail.countAnonymous('token_malformed')
    const stopped = trail.stop()
    await expect(trail.append(sampleEvent(99))).rejects.toThrow(AuditUnavailable)
    await Promise.all([appended, stopped, trail.stop()])
    expect(await allRows(database)).toHaveLength(57)
    const [jws = ''] = readCheckpoints(logged.join('\n'))
    const checkpoint = await verifyCheckpoint(jws, key)
    expect(checkpoint).toMatchObject({ heads: [{ seq: 56 }] })
  })

  it('refuses at once what exceeds the queue, and writes the rest', async () => {
    const { trail } = makeTrail(database, key, { maxQueue: 5 })
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => trail.append(sampleEvent(n))),
    )
    expect(results.filter((result) => result.status === 'rejected')).toHaveLength(3)
    expect(await allRows(database)).toHaveLength(6)
  })

  it('opens a new chain after an insert that failed, and names the old one', async () => {
    const { trail, logged } = makeTrail(database, key)
    await trail.append(sampleEvent(1))
    await sql`alter table audit_events add constraint broken check (request_id <> 'req_2')`.execute(
      database.db,
    )
    const error = await trail.append(sampleEvent(2, { details: { note: 'hush' } })).catch((e: unknown) => e)
    await sql`alter table audit_events drop constraint broken`.execute(database.db)
    expect(error).toBeInstanceOf(AuditUnavailable)
    expect(`${error}${JSON.stringify(error)}${logged}`).not.toMatch(/req_2|hush|scl_1/)
    expect(logged.join()).toContain('23514')
    await trail.append(sampleEvent(3))
    const rows = await allRows(database)
    expect(rows.map((row) => [row.seq, row.requestId])).toEqual([
      [0, null],
      [1, 'req_3'],
      [0, null],
      [1, 'req_1'],
    ])
    expect(
      await verifyAuditTrail(stream(rows.filter((row) => row.chain === rows[0]?.chain)), []),
    ).toMatchObject({
      valid: false,
      problem: expect.stringContaining(`chain ${rows[2]?.chain}, event 1`),
    })
    expect((await verified(database)).valid).toBe(true)
  })
})
