import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { detach } from '../store/attachments.ts'
import { revokeSubject } from '../store/revocation.ts'
import { makeWorld, now, type World } from '../store/test-world.ts'
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
import { verifyAuditTrail } from './verify.ts'

async function guardOf(world: World) {
  const guard = (await world.ask()).link?.guard
  if (guard === undefined) throw new Error('not attached')
  return guard
}

function revoke(database: TestDatabase, world: World) {
  return revokeSubject(
    database.db,
    {
      connectorId: world.connectorId,
      attachmentId: world.attachment.id,
      subjectKey: 'subject',
      installationId: undefined,
    },
    { now, claimMs: 1_000 },
  )
}

describe.each([
  ['PGlite', openPglite],
  ['PostgreSQL', openPostgres],
])('an answer and a revocation on %s', (_, open) => {
  let database: TestDatabase
  let key: TestKey
  beforeAll(async () => {
    ;[database, key] = await Promise.all([open(), makeKey()])
  })
  afterAll(() => database.close())
  beforeEach(() => database.reset())

  it('S40 records no answer that was decided before a revocation, and all the others of its batch', async () => {
    const { trail } = makeTrail(database, key)
    const [revoked, detached, untouched] = [
      await makeWorld(database.db),
      await makeWorld(database.db),
      await makeWorld(database.db),
    ]
    const guards = [await guardOf(revoked), await guardOf(detached), await guardOf(untouched)] as const
    await revoke(database, revoked)
    const { connectorId, projectId } = detached
    await detach(database.db, { connectorId, projectId, environments: [], now })
    const written = await Promise.all([
      trail.appendUnlessRevoked(sampleEvent(1), guards[0]),
      trail.append(sampleEvent(2)),
      trail.appendUnlessRevoked(sampleEvent(3), guards[1]),
      trail.appendUnlessRevoked(sampleEvent(4), guards[2]),
      trail.appendUnlessRevoked(sampleEvent(5), await guardOf(revoked)),
    ])
    expect(written).toEqual([false, undefined, false, true, true])
    const rows = await allRows(database)
    expect(rows.flatMap((row) => row.requestId ?? [])).toEqual(['req_2', 'req_4', 'req_5'])
    expect(await verifyAuditTrail(stream(rows), [])).toMatchObject({ valid: true })
  })
})

describe('on PostgreSQL, at the same moment', () => {
  let database: TestDatabase
  let key: TestKey
  beforeAll(async () => {
    ;[database, key] = await Promise.all([openPostgres(), makeKey()])
  })
  afterAll(() => database.close())

  it('S40 a revocation waits for the answers that are being recorded, and answers wait for it', async () => {
    const { trail } = makeTrail(database, key)
    const world = await makeWorld(database.db)
    const guard = await guardOf(world)
    // Holds the attachment as a revocation does, and has not committed.
    let commit = () => {}
    const held = new Promise<void>((resolve) => {
      commit = resolve
    })
    let locked = () => {}
    const holding = new Promise<void>((resolve) => {
      locked = resolve
    })
    const revocation = database.db.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('attachments')
        .set({ revocations: guard.revocations + 1 })
        .where('id', '=', world.attachment.id)
        .execute()
      locked()
      await held
    })
    await holding
    const answer = trail.appendUnlessRevoked(sampleEvent(1), guard)
    const early = await Promise.race([
      answer.then(() => 'recorded'),
      new Promise((resolve) => setTimeout(resolve, 300, 'waiting')),
    ])
    expect(early).toBe('waiting')
    commit()
    await revocation
    expect(await answer).toBe(false)
  })
})
