import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Anchor, createAnchorSigner, verifyAnchor } from './anchor.ts'
import { readAnchor } from './anchor-store.ts'
import { linkHash } from './chain.ts'
import { createCheckpointSigner, verifyCheckpoint } from './checkpoint.ts'
import { exportLines, readTrail, TrailPruned } from './export.ts'
import { dropAuditBefore, type PruneContext } from './prune.ts'
import {
  allRows,
  makeKey,
  makeTrail,
  openPglite,
  openPostgres,
  publicUrl,
  sampleEvent,
  stream,
  type TestDatabase,
  type TestKey,
} from './test-databases.ts'
import type { AuditTrail } from './trail.ts'
import { type AuditVerification, verifyAuditTrail } from './verify.ts'
import { verifyExport } from './verify-export.ts'

describe.each([
  ['PGlite', openPglite],
  ['PostgreSQL', openPostgres],
])('audit retention on %s', (_, open) => {
  let database: TestDatabase
  let key: TestKey
  let time: number
  const now = () => time
  beforeAll(async () => {
    ;[database, key] = await Promise.all([open(), makeKey()])
  })
  afterAll(() => database.close())
  beforeEach(async () => {
    time = 1000
    await database.reset()
    await sql`delete from installation`.execute(database.db)
  })

  const replica = () => makeTrail(database, key, { now }).trail
  const sign = (anchor: Anchor) => createAnchorSigner({ key, publicUrl, now })(anchor)
  async function append(trail: AuditTrail, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, n) => trail.append(sampleEvent(n))))
  }
  const context = (audit: AuditTrail, more: Partial<PruneContext> = {}): PruneContext => ({
    db: database.db,
    audit,
    now,
    log: () => {},
    keys: key.keys,
    sign,
    ...more,
  })
  const prune = (audit: AuditTrail, before: number, more: Partial<PruneContext> = {}) =>
    dropAuditBefore(context(audit, more), { before, actor: { type: 'broker' } })
  async function anchorOption() {
    const jws = await readAnchor(database.db)
    return jws === undefined ? {} : { anchor: await verifyAnchor(jws, key) }
  }
  async function verified(...checkpoints: readonly string[]): Promise<AuditVerification> {
    const trusted = await Promise.all(checkpoints.map((jws) => verifyCheckpoint(jws, key)))
    return verifyAuditTrail(stream(await allRows(database)), trusted, await anchorOption())
  }
  async function exported(): Promise<string[]> {
    const lines: string[] = []
    const checkpoints = createCheckpointSigner({ key, publicUrl, now })
    const options = { db: database.db, now, publicUrl, keys: key.keys, sign: checkpoints }
    for await (const line of exportLines(options)) lines.push(line)
    return lines
  }
  const seqs = async () => (await allRows(database)).map((row) => row.seq)

  /** Two processes of which the second opened after the first; both wrote at 1000 and at 5000. */
  async function twoChains(): Promise<{ first: AuditTrail; second: AuditTrail }> {
    const [first, second] = [replica(), replica()]
    await append(first, 3)
    await append(second, 3)
    time = 5000
    await append(first, 2)
    await append(second, 2)
    return { first, second }
  }

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
    time = 9000
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
    time = 9000
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
    time = 5000
    await append(trail, 2)
    expect(await verified(early)).toMatchObject({ tail: 'proven' })
    await prune(trail, 5000)
    expect(await verified(early)).toMatchObject({ valid: true, tail: 'unproven', dropped: 5 })
  })

  it('S29 finds a beginning that somebody else deleted, in the trail and in an export', async () => {
    const { first } = await twoChains()
    await sql`delete from audit_events where seq <= 3`.execute(database.db)
    const missing = { valid: false, problem: expect.stringContaining('no signed anchor') }
    expect(await verified()).toMatchObject(missing)
    expect(await verifyExport(stream(await exported()), { checkpoints: [] })).toMatchObject(missing)
    expect(await prune(first, 5000)).toMatchObject({
      ok: false,
      refusal: { reason: 'conflict', message: expect.stringContaining('no signed anchor') },
    })
  })

  it('S29 finds more deleted than was dropped', async () => {
    const { first } = await twoChains()
    await prune(first, 5000)
    await sql`delete from audit_events where seq = 4`.execute(database.db)
    expect(await verified()).toMatchObject({
      valid: false,
      problem: expect.stringContaining('event 4 is due here: the anchor drops no more'),
    })
  })

  it('S29 finds a shortened chain that is deleted as a whole', async () => {
    const { first } = await twoChains()
    await prune(first, 5000)
    const [row] = await allRows(database)
    await sql`delete from audit_events where chain = ${row?.chain}`.execute(database.db)
    expect(await verified()).toMatchObject({
      valid: false,
      problem: expect.stringMatching(/the anchor names it, but the whole chain is missing/),
    })
  })

  it('S29 takes no checkpoint and no audit_pruned event for an anchor, nor one signed by another key', async () => {
    const trail = replica()
    await append(trail, 4)
    const checkpoint = await trail.checkpoint()
    const rows = await allRows(database)
    const last = rows.find((row) => row.seq === 2)
    const anchor = { dropped: [{ chain: last?.chain ?? '', seq: 2, hash: last?.hash ?? '' }], heads: [] }
    const stranger = await makeKey()
    const forged = await createAnchorSigner({ key: stranger, publicUrl, now })(anchor)
    await trail.append(
      sampleEvent(9, {
        kind: 'audit_pruned',
        details: { before: 9, dropped: anchor.dropped, anchor: forged },
      }),
    )
    const left = (await allRows(database)).filter((row) => row.seq > 2)
    const attempt = async (jws: string) =>
      verifyAuditTrail(stream(left), [], { anchor: await verifyAnchor(jws, key) })
    expect((await verifyAuditTrail(stream(left), [])).problem).toContain('no signed anchor')
    expect((await attempt(checkpoint)).problem).toContain('the signed text is no anchor')
    expect((await attempt(forged)).problem).toContain("the anchor's signature is wrong")
    expect((await attempt('x')).problem).toContain('the text is no anchor')
    expect(await attempt(await sign(anchor))).toMatchObject({ valid: true, dropped: 3 })
    expect(await verifyCheckpoint(await sign(anchor), key)).toMatchObject({ trusted: false })
    const other = { dropped: [{ chain: last?.chain ?? '', seq: 2, hash: '0'.repeat(64) }], heads: [] }
    expect((await attempt(await sign(other))).problem).toContain(
      'does not continue the event that the anchor names',
    )
  })

  it("S29 accepts no anchor in an export that is signed by a key of the forger's own beside the broker's", async () => {
    const trail = replica()
    await append(trail, 4)
    const checkpoint = await trail.checkpoint()
    const lines = await exported()
    const [header = '', ...rest] = lines
    const rows = await allRows(database)
    const last = rows.find((row) => row.seq === 2)
    const stranger = await makeKey('stranger')
    const anchor = await createAnchorSigner({ key: stranger, publicUrl, now })({
      dropped: [{ chain: last?.chain ?? '', seq: 2, hash: last?.hash ?? '' }],
      heads: [],
    })
    const keys = { keys: [...key.keys.keys, ...stranger.keys.keys] }
    const forged = [JSON.stringify({ ...JSON.parse(header), keys, anchor }), ...rest.slice(3)]
    expect(await verifyExport(stream(forged), { checkpoints: [checkpoint] })).toMatchObject({
      valid: false,
      problem: expect.stringContaining('signed by a key that is not trusted here'),
    })
  })

  it('S29 drops nothing of a trail that somebody has changed: it would destroy the proof', async () => {
    const { first } = await twoChains()
    const count = (await allRows(database)).length
    // Made to look old.
    await sql`update audit_events set at = 1000 where seq = 4`.execute(database.db)
    expect(await prune(first, 5000)).toMatchObject({
      ok: false,
      refusal: { reason: 'conflict', message: expect.stringContaining('column at disagrees') },
    })
    expect(await allRows(database)).toHaveLength(count)
    expect(await readAnchor(database.db)).toBeUndefined()
  })

  it('S29 drops nothing once a tail was cut that a stored checkpoint names', async () => {
    const { first, second } = await twoChains()
    await second.checkpoint()
    await sql`delete from audit_events where seq = 5`.execute(database.db)
    expect(await prune(replica(), 5000)).toMatchObject({ ok: false, refusal: { reason: 'conflict' } })
    expect(await prune(first, 5000)).toMatchObject({ ok: false, refusal: { reason: 'conflict' } })
  })

  it('S29 keeps bound what only a dropped opening named', async () => {
    const first = replica()
    await append(first, 2)
    const second = replica()
    await append(second, 2)
    // Names the second chain only: the first is named by the opening of the second.
    const kept = await replica().checkpoint()
    time = 5000
    await append(second, 1)
    // An operator's prune, by a process that knows the openings already.
    await prune(second, 5000)
    const chains = (await allRows(database)).filter((row) => row.at < 5000)
    expect(chains.map((row) => row.seq)).toEqual([2])
    const head = chains[0]
    expect(await verifyAnchor((await readAnchor(database.db)) ?? '', key)).toMatchObject({
      heads: [{ chain: head?.chain, seq: 2, hash: head?.hash }],
    })
    // Rewritten so that it still continues what was dropped.
    const body = (head?.body ?? '').replace('repo:a/b', 'repo:a/c')
    const hash = linkHash(head?.previousHash ?? '', body)
    await sql`update audit_events set body = ${body}, hash = ${hash} where at < 5000`.execute(database.db)
    for (const checkpoints of [[], [kept]]) {
      expect(await verified(...checkpoints)).toMatchObject({
        valid: false,
        problem: expect.stringContaining('not the event that the anchor names'),
      })
    }
    await sql`delete from audit_events where at < 5000`.execute(database.db)
    expect(await verified(kept)).toMatchObject({ valid: false })
  })

  it('S29 finds a dropped event that was put back in another text', async () => {
    const { first } = await twoChains()
    const before = await allRows(database)
    await prune(first, 5000)
    const lost = before.filter((row) => row.seq === 3)
    for (const { position: _, requestId, projectId, connectorId, previousHash, ...row } of lost) {
      const body = row.body.replace('repo:a/b', 'repo:a/c')
      const columns = { request_id: requestId, project_id: projectId, connector_id: connectorId }
      const values = { ...row, ...columns, previous_hash: previousHash, body }
      await database.db.insertInto('audit_events').values(values).execute()
    }
    expect((await verified()).problem).toContain('its text is not what was hashed')
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

  it.each([
    ['the first', 0],
    ['a later', 8],
  ])('S29 lets no late anchor replace one that says more: %s anchor', async (_which, before) => {
    const { first, second } = await twoChains()
    if (before > 0) await prune(first, 5000)
    time = 7000
    await append(first, 1)
    await append(second, 1)
    time = 9000
    await append(first, 1)
    await append(second, 1)
    const late = async (anchor: Anchor) => {
      expect((await prune(first, 9000)).ok).toBe(true)
      return sign(anchor)
    }
    expect(await prune(second, before > 0 ? 7500 : 5000, { sign: late })).toMatchObject({
      ok: false,
      refusal: { reason: 'conflict' },
    })
    expect(await verified()).toMatchObject({ valid: true })
    expect((await allRows(database)).every((row) => row.at >= 9000)).toBe(true)
  })

  it('tells readers that were half way through a chain to begin anew', async () => {
    const trail = replica()
    await append(trail, 1500)
    time = 5000
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
    time = 1000
    await first.checkpoint()
    time = 5000
    await prune(first, 5000)
    const left = await database.db.selectFrom('audit_checkpoints').select('at').execute()
    expect(left.every((row) => Number(row.at) >= 5000)).toBe(true)
    expect(left.length).toBeGreaterThan(0)
  })
})
