import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { verifyAnchor } from './anchor.ts'
import { readAnchor } from './anchor-store.ts'
import { verifyCheckpoint } from './checkpoint.ts'
import { readTrail, TrailPruned } from './export.ts'
import { dropAuditBefore } from './prune.ts'
import {
  allRows,
  makeKey,
  makeTrail,
  openPglite,
  openPostgres,
  stream,
  type TestDatabase,
  type TestKey,
} from './test-databases.ts'
import { pruning } from './test-pruning.ts'
import { verifyExport } from './verify-export.ts'

describe.each([
  ['PGlite', openPglite],
  ['PostgreSQL', openPostgres],
])('audit retention on %s', (_, open) => {
  let database: TestDatabase
  let key: TestKey
  const { append, context, clock, exported, now, prune, replica, seqs, twoChains, verified } = pruning(
    () => database,
    () => key,
  )
  beforeAll(async () => {
    ;[database, key] = await Promise.all([open(), makeKey()])
  })
  afterAll(() => database.close())
  beforeEach(async () => {
    clock.now = 1000
    await database.reset()
    await sql`delete from installation`.execute(database.db)
  })

  it('drops what is old and nothing else, and the rest verifies, online and as an export', async () => {
    const { first } = await twoChains()
    const outcome = await prune(first, 5000)
    expect(outcome).toMatchObject({ ok: true, value: { dropped: 8, chains: 2 } })
    const rows = await allRows(database)
    expect(rows.every((row) => row.at >= 5000)).toBe(true)
    expect(rows).toHaveLength(5)
    expect(await verified()).toEqual({ valid: true, events: 5, dropped: 8, tail: 'unproven' })
    const checkpoint = await first.checkpoint()
    expect(await verified(checkpoint)).toMatchObject({ valid: true, tail: 'proven', dropped: 8 })
    const lines = await exported()
    for (const checkpoints of [[], [checkpoint]]) {
      expect(await verifyExport(stream(lines), { checkpoints })).toMatchObject({ valid: true, dropped: 8 })
    }
  })

  it('records who dropped what, bound by a checkpoint, before anything is gone', async () => {
    const { first } = await twoChains()
    const outcome = await dropAuditBefore(context(first), {
      before: 5000,
      requestId: 'req_prune',
      actor: { type: 'operator', role: 'owner', accessTokenId: 'vat_1' },
    })
    const event = (await allRows(database)).find((row) => row.kind === 'audit_pruned')
    const anchor = outcome.ok ? outcome.value.anchor : undefined
    const body = JSON.parse(event?.body ?? '')
    expect(body).toMatchObject({
      action: 'audit.prune',
      actor: { type: 'operator', accessTokenId: 'vat_1' },
      requestId: 'req_prune',
      details: { before: 5000, anchor },
    })
    expect(await verifyAnchor(anchor ?? '', key)).toMatchObject({
      trusted: true,
      dropped: expect.arrayContaining(body.details.dropped),
    })
    expect(body.details.dropped.map((head: { seq: number }) => head.seq)).toEqual([3, 3])
    const stored = await database.db.selectFrom('audit_checkpoints').select('jws').execute()
    const newest = await verifyCheckpoint(stored.at(-1)?.jws ?? '', key)
    expect(newest).toMatchObject({
      heads: expect.arrayContaining([{ chain: event?.chain, seq: event?.seq, hash: event?.hash }]),
    })
  })

  it('drops nothing when nothing is old enough, and says so without an event', async () => {
    const { first } = await twoChains()
    const before = await allRows(database)
    expect(await prune(first, 1000)).toEqual({ ok: true, value: { dropped: 0, chains: 0, anchor: null } })
    expect(await allRows(database)).toEqual(before)
  })

  it('drops again later, in one anchor for all', async () => {
    const { first, second } = await twoChains()
    await prune(first, 5000)
    expect(await prune(first, 5000)).toMatchObject({ ok: true, value: { dropped: 0, chains: 0 } })
    clock.now = 9000
    await append(second, 2)
    await append(first, 1)
    expect(await prune(second, 9000)).toMatchObject({ ok: true, value: { dropped: 5, chains: 2 } })
    expect(await verified(await first.checkpoint())).toMatchObject({
      valid: true,
      tail: 'proven',
      dropped: 13,
    })
  })

  it('keeps the last event of a chain that is old as a whole, and no replica takes it for cut', async () => {
    const old = replica()
    await append(old, 3)
    const { trail: other, logged } = makeTrail(database, key, { now })
    await append(other, 1)
    const early = await other.checkpoint()
    clock.now = 9000
    expect(await prune(other, 9000)).toMatchObject({ ok: true, value: { dropped: 4, chains: 2 } })
    expect((await seqs()).sort()).toEqual([1, 2, 3])
    await other.checkpoint()
    await append(other, 1)
    await append(replica(), 1)
    expect(logged.join('\n')).not.toContain('missing or changed')
    // Signed before anything was dropped, and still good for the heads it names.
    expect(await verified(early)).toMatchObject({ valid: true, tail: 'proven' })
  })

  it('takes a checkpoint of which everything was dropped since for no proof', async () => {
    const trail = replica()
    await append(trail, 2)
    const early = await trail.checkpoint()
    await append(trail, 2)
    clock.now = 5000
    await append(trail, 2)
    expect(await verified(early)).toMatchObject({ tail: 'proven' })
    await prune(trail, 5000)
    expect(await verified(early)).toMatchObject({ valid: true, tail: 'unproven', dropped: 5 })
  })

  it('stays valid when it stops half way, and the next run finishes it', async () => {
    const { first } = await twoChains()
    // Deleting fails after the anchor was stored.
    await sql`create function refuse_delete() returns trigger language plpgsql as $$ begin raise 'no'; end $$`.execute(
      database.db,
    )
    await sql`create trigger stop before delete on audit_events for each row when (old.seq = 2) execute function refuse_delete()`.execute(
      database.db,
    )
    await expect(prune(first, 5000)).rejects.toThrow()
    const jws = (await readAnchor(database.db)) ?? ''
    expect(jws).not.toBe('')
    expect(await verified(await first.checkpoint())).toMatchObject({ valid: true, tail: 'proven' })
    await sql`drop trigger stop on audit_events`.execute(database.db)
    await sql`drop function refuse_delete`.execute(database.db)
    await sql`delete from audit_events where seq <= 1`.execute(database.db)
    expect(await verified()).toMatchObject({ valid: true, dropped: 4 })
    const lines = await exported()
    expect(await verifyExport(stream(lines), { checkpoints: [] })).toMatchObject({ valid: true, dropped: 4 })
    expect(await prune(first, 5000)).toEqual({ ok: true, value: { dropped: 4, chains: 0, anchor: jws } })
    expect(await verified()).toMatchObject({ valid: true, dropped: 8 })
  })

  it('leaves appends of several replicas alone while it runs', async () => {
    const { first, second } = await twoChains()
    const third = replica()
    const [outcome] = await Promise.all([
      prune(first, 5000),
      append(second, 300),
      append(third, 300),
      append(first, 300),
    ])
    expect(outcome).toMatchObject({ ok: true, value: { dropped: 8 } })
    await append(first, 1)
    expect(await verified(await third.checkpoint())).toMatchObject({
      valid: true,
      tail: 'proven',
      dropped: 8,
    })
  })

  it('lets one of two replicas that drop at once win; the trail stays valid', async () => {
    const { first, second } = await twoChains()
    const outcomes = await Promise.all([prune(first, 5000), prune(second, 5000)])
    expect(outcomes.some((outcome) => outcome.ok)).toBe(true)
    for (const outcome of outcomes) if (!outcome.ok) expect(outcome.refusal.reason).toBe('conflict')
    expect(await verified(await second.checkpoint())).toMatchObject({
      valid: true,
      tail: 'proven',
      dropped: 8,
    })
  })

  it('tells readers that were half way through a chain to begin anew', async () => {
    const trail = replica()
    await append(trail, 1500)
    clock.now = 5000
    await append(trail, 2)
    const reader = readTrail(database.db)
    await reader.next()
    await prune(trail, 5000)
    await expect(
      (async () => {
        for await (const _ of reader);
      })(),
    ).rejects.toThrow(TrailPruned)
    expect(await verified()).toMatchObject({ valid: true, dropped: 1501 })
  })

  it('drops stored checkpoints with what they covered, and keeps the newest', async () => {
    const { first } = await twoChains()
    clock.now = 1000
    await first.checkpoint()
    clock.now = 5000
    await prune(first, 5000)
    const left = await database.db.selectFrom('audit_checkpoints').select('at').execute()
    expect(left.every((row) => Number(row.at) >= 5000)).toBe(true)
    expect(left.length).toBeGreaterThan(0)
  })
})
