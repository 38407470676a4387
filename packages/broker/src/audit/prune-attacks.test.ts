import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Anchor, createAnchorSigner, verifyAnchor } from './anchor.ts'
import { readAnchor } from './anchor-store.ts'
import { linkHash } from './chain.ts'
import { verifyCheckpoint } from './checkpoint.ts'
import {
  allRows,
  makeKey,
  openPglite,
  openPostgres,
  publicUrl,
  sampleEvent,
  stream,
  type TestDatabase,
  type TestKey,
} from './test-databases.ts'
import { pruning } from './test-pruning.ts'
import { verifyAuditTrail } from './verify.ts'
import { verifyExport } from './verify-export.ts'

describe.each([
  ['PGlite', openPglite],
  ['PostgreSQL', openPostgres],
])('a pruned trail that somebody attacks on %s', (_, open) => {
  let database: TestDatabase
  let key: TestKey
  const { append, clock, exported, now, prune, replica, sign, twoChains, verified } = pruning(
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
    clock.now = 5000
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

  it.each([
    ['the first', 0],
    ['a later', 8],
  ])('S29 lets no late anchor replace one that says more: %s anchor', async (_which, before) => {
    const { first, second } = await twoChains()
    if (before > 0) await prune(first, 5000)
    clock.now = 7000
    await append(first, 1)
    await append(second, 1)
    clock.now = 9000
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
})
