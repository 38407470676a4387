import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createKnownHeads, readHeads } from './known-heads.ts'
import {
  allRows,
  makeKey,
  makeTrail,
  openPostgres,
  sampleEvent,
  stream,
  type TestDatabase,
  type TestKey,
} from './test-databases.ts'
import { AuditUnavailable } from './trail.ts'
import { verifyAuditTrail } from './verify.ts'

let database: TestDatabase
let key: TestKey
beforeAll(async () => {
  ;[database, key] = await Promise.all([openPostgres(), makeKey()])
})
afterAll(() => database.close())
beforeEach(() => database.reset())

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

it('loses no event that was confirmed when its sessions are terminated under load, and every chain verifies', async () => {
  const trails = [makeTrail(database, key).trail, makeTrail(database, key).trail]
  const confirmed = new Set<string>()
  let refused = 0
  let running = true
  let n = 0
  async function load(): Promise<void> {
    while (running) {
      n += 1
      const event = sampleEvent(n)
      try {
        await trails[n % 2]?.append(event)
        confirmed.add(event.requestId ?? '')
      } catch (error) {
        expect(error).toBeInstanceOf(AuditUnavailable)
        refused += 1
        await pause(1)
      }
    }
  }
  const loads = Array.from({ length: 100 }, load)
  for (let kill = 0; kill < 15; kill += 1) {
    await pause(60)
    // Again and again, to meet inserts under way and commits not yet confirmed.
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`
      .execute(database.db)
      .catch(() => undefined)
  }
  running = false
  await Promise.all(loads)
  await Promise.all(trails.map((trail) => trail.stop()))

  const rows = await allRows(database)
  const stored = rows.map((row) => row.requestId).filter((id) => id !== null)
  expect(refused).toBeGreaterThan(0)
  expect(confirmed.size).toBeGreaterThan(100)
  expect([...confirmed].filter((id) => !stored.includes(id))).toEqual([])
  expect(new Set(stored).size).toBe(stored.length)
  expect(new Set(rows.map((row) => row.chain)).size).toBeGreaterThan(2)
  expect(await verifyAuditTrail(stream(rows), [])).toMatchObject({ valid: true, events: rows.length })
}, 60_000)

it('gives up on an insert that hangs, together with all who wait behind it, and verifies after it commits late', async () => {
  const { trail, logged } = makeTrail(database, key, { writeTimeoutMs: 300, maxBatch: 2 })
  await trail.append(sampleEvent(0))
  let release: () => void = () => {}
  const locked = database.db.transaction().execute(async (transaction) => {
    await sql`lock table audit_events in share mode`.execute(transaction)
    await new Promise<void>((resolve) => {
      release = resolve
    })
  })
  await pause(100)
  const started = Date.now()
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map((n) => trail.append(sampleEvent(n))))
  expect(results.every((result) => result.status === 'rejected')).toBe(true)
  expect(Date.now() - started).toBeLessThan(1500)
  expect(logged.join()).toContain('stuck')
  release()
  await locked
  await trail.append(sampleEvent(6))
  await expect.poll(async () => (await allRows(database)).length).toBe(6)
  const rows = await allRows(database)
  expect(rows.map((row) => row.requestId).sort()).toEqual(
    [null, null, 'req_0', 'req_1', 'req_2', 'req_6'].sort(),
  )
  expect((await verifyAuditTrail(stream(rows), [])).valid).toBe(true)
})

it('reads the heads of ten thousand chains', async () => {
  await sql`insert into audit_events (chain, seq, at, kind, body, previous_hash, hash)
    select md5(c::text), s, 0, 'x', '{}', '', s::text from generate_series(1, 10000) c, generate_series(0, 9) s`.execute(
    database.db,
  )
  await sql`analyze audit_events`.execute(database.db)
  const heads = await readHeads(database.db)
  expect(heads).toHaveLength(10_000)
  expect(heads.every((head) => head.seq === 9 && head.hash === '9')).toBe(true)
})

it('takes no event for cut that it committed while the heads were being read', async () => {
  const heads = createKnownHeads(database.db)
  const look = heads.look(AbortSignal.timeout(5000))
  for (let tick = 0; tick < 3; tick += 1) await null
  heads.note({ chain: 'a', seq: 7, hash: 'ab'.repeat(32) })
  expect(await look).toEqual({ toName: [], cut: [] })
  expect((await heads.look(AbortSignal.timeout(5000))).cut).toHaveLength(1)
})

it('neither the minute nor the stop throws when a checkpoint can not be signed', async () => {
  const { trail, logged } = makeTrail(database, key, { sign: () => Promise.reject(new Error('secret')) })
  await trail.append(sampleEvent(1))
  await trail.stop()
  expect(logged.join()).toContain('audit checkpoint failed')
  expect(logged.join()).not.toContain('secret')
})
