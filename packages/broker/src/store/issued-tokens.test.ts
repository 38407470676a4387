import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { attach, detach, noConsentRules } from './attachments.ts'
import { findConnector, findConnectorEvenRemoved, removeConnector, updateConnector } from './connectors.ts'
import { claimRevocations, endToken, finishRevocation, purge, recordToken } from './issued-tokens.ts'
import { migrate } from './migrate.ts'
import { type OpenDatabase, openEmbedded, openPostgres } from './open-database.ts'
import { revokeConnector, revokeSubject } from './revocation.ts'
import { testDatabaseFolder } from './test-database.ts'
import { startTestPostgres, type TestPostgres } from './test-postgres.ts'
import { makeWorld, noCeiling, now, type World } from './test-world.ts'

const copy = testDatabaseFolder()
let server: TestPostgres
const databases: Record<string, OpenDatabase> = {}

beforeAll(async () => {
  server = await startTestPostgres()
  databases.pglite = await openEmbedded({
    folder: copy.folder,
    log: silentLog,
  })
  databases.postgres = openPostgres({ url: await server.createDatabase(), log: silentLog })
  for (const database of Object.values(databases)) await migrate(database.db)
})
afterAll(async () => {
  for (const database of Object.values(databases)) await database.close()
  await server.stop()
  copy.remove()
})

const moments = { now, claimMs: 1_000 }

function dbOf(engine: string) {
  const database = databases[engine]
  if (database === undefined) throw new Error(`no ${engine}`)
  return database.db
}

async function storedId(world: World, more?: Parameters<World['ask']>[0]): Promise<string | undefined> {
  const { link } = await world.ask(more)
  return link !== undefined && 'stored' in link.found ? link.found.stored.id : undefined
}

describe.each(['pglite', 'postgres'])('on %s', (engine) => {
  it('finds no link for an unknown connector, another project or another environment', async () => {
    const world = await makeWorld(dbOf(engine))
    const other = await makeWorld(dbOf(engine))
    expect((await world.ask()).link).toMatchObject({ attachmentId: world.attachment.id })
    expect((await world.ask({ connector: world.connectorId })).link).toBeDefined()
    for (const miss of [
      { connector: 'fake/nobody' },
      { connector: 'scl_nobody' },
      { connector: other.uid },
      { environment: 'preview' },
      { projectId: other.projectId },
    ]) {
      expect((await world.ask(miss)).link).toBeUndefined()
    }
  })

  it('serves a stored token until the buffer, or half its life, is all that is left', async () => {
    const world = await makeWorld(dbOf(engine))
    const token = world.token({ expires_at: now + 40_000 })
    expect(await recordToken(dbOf(engine), token, { epoch: 0 })).toBe(true)
    expect(await storedId(world)).toBe(token.id)
    // Half of 40 s: the buffer of 30 s is cut to 20 s.
    expect(await storedId(world, { now: now + 19_999 })).toBe(token.id)
    expect(await storedId(world, { now: now + 20_000 })).toBeUndefined()
    expect(await storedId(world, { validityBufferMs: 1_000, now: now + 38_999 })).toBe(token.id)
    expect(await storedId(world, { requestKey: 'another' })).toBeUndefined()
    expect(await storedId(world, { rejectedTokenId: token.id })).toBeUndefined()
  })

  it('no longer serves a token once ceiling, connector or attachment changed', async () => {
    const db = dbOf(engine)
    const world = await makeWorld(db)
    await recordToken(db, world.token(), { epoch: 0 })
    const again = {
      connectorId: world.connectorId,
      projectId: world.projectId,
      environments: ['production'],
      replace: false,
      consent: noConsentRules,
      now,
    }
    await attach(db, { ...again, ceiling: noCeiling })
    expect(await storedId(world)).toBeDefined()
    await attach(db, { ...again, ceiling: { ...noCeiling, scopes: ['read'] } })
    expect(await storedId(world)).toBeUndefined()

    const second = world.token({ attachment_version: 2 })
    expect(await recordToken(db, second, { epoch: 0 })).toBe(true)
    expect(await storedId(world)).toBe(second.id)
    const connector = await findConnector(db, world.uid)
    if (connector === undefined) throw new Error('gone')
    await updateConnector(db, connector, {
      settings: { configuration: {}, version: 2, secrets: 'other' },
      now,
    })
    expect(await storedId(world)).toBeUndefined()

    await detach(db, { connectorId: world.connectorId, projectId: world.projectId, environments: [], now })
    expect((await world.ask()).link).toBeUndefined()
    expect(await claimRevocations(db, { now, claimMs: 1_000, limit: 10 })).toHaveLength(2)
  })

  it('S40 keeps no token that was minted across a change, a removal or a revocation', async () => {
    const db = dbOf(engine)
    const changed = await makeWorld(db)
    await attach(db, {
      connectorId: changed.connectorId,
      projectId: changed.projectId,
      environments: ['production'],
      replace: false,
      ceiling: { ...noCeiling, scopes: ['read'] },
      consent: noConsentRules,
      now,
    })
    expect(await recordToken(db, changed.token(), { epoch: 0 })).toBe(false)

    const removed = await makeWorld(db)
    await removeConnector(db, removed.connectorId, now)
    expect(await recordToken(db, removed.token(), { epoch: 0 })).toBe(false)

    const revoked = await makeWorld(db)
    const of = {
      connectorId: revoked.connectorId,
      attachmentId: revoked.attachment.id,
      installationId: undefined,
    }
    await revokeSubject(db, { ...of, subjectKey: 'subject' }, moments)
    expect(await recordToken(db, revoked.token(), { epoch: 0 })).toBe(false)
    expect(await recordToken(db, revoked.token({ subject_key: 'someone else' }), { epoch: 0 })).toBe(true)
    expect((await revoked.ask()).link?.epoch).toBe(1)
    expect(await recordToken(db, revoked.token(), { epoch: 1 })).toBe(true)

    const all = await makeWorld(db)
    await revokeConnector(
      db,
      { connectorId: all.connectorId, subjectKey: undefined, withGrants: true },
      moments,
    )
    expect(await recordToken(db, all.token(), { epoch: 0 })).toBe(false)
  })

  it('ends the tokens of one subject and no one else’s', async () => {
    const db = dbOf(engine)
    const world = await makeWorld(db)
    const stranger = await makeWorld(db)
    const mine = world.token({ installation_id: 'T1' })
    const elsewhere = world.token({ installation_id: 'T2', request_key: 'second' })
    const others = world.token({ subject_key: 'other', request_key: 'third' })
    for (const token of [mine, elsewhere, others]) await recordToken(db, token, { epoch: 0 })
    await recordToken(db, stranger.token(), { epoch: 0 })
    const { connectorId, attachment } = world
    const end = async (installationId: string | undefined) => {
      const of = { connectorId, attachmentId: attachment.id, subjectKey: 'subject', installationId }
      return (await revokeSubject(db, of, moments)).tokens.map(({ id }) => id)
    }
    expect(await end('T1')).toEqual([mine.id])
    expect(await end(undefined)).toEqual([elsewhere.id])
    expect(await storedId(world, { requestKey: 'third' })).toBe(others.id)
    expect(await storedId(stranger)).toBeDefined()
  })

  it('ends a rejected token of its own attachment only', async () => {
    const db = dbOf(engine)
    const world = await makeWorld(db)
    const stranger = await makeWorld(db)
    const token = world.token()
    await recordToken(db, token, { epoch: 0 })
    await endToken(db, { id: token.id, attachmentId: stranger.attachment.id, requestKey: 'request', now })
    expect(await storedId(world)).toBe(token.id)
    await endToken(db, { id: token.id, attachmentId: world.attachment.id, requestKey: 'another', now })
    expect(await storedId(world)).toBe(token.id)
    await endToken(db, { id: token.id, attachmentId: world.attachment.id, requestKey: 'request', now })
    expect(await storedId(world)).toBeUndefined()
  })

  it('hands each due token to one claimer, and again when its claim has run out', async () => {
    const db = dbOf(engine)
    await purgeAll(engine)
    const world = await makeWorld(db)
    // A lease of a minute on a token that lives an hour, and one that the provider never ends.
    const shortened = world.token({ expires_at: now + 60_000 })
    await recordToken(db, shortened, { epoch: 0 })
    await recordToken(db, world.token({ expires_at: now + 60_000, provider_expires_at: null }), { epoch: 0 })
    expect(await claimRevocations(db, { now, claimMs: 1_000, limit: 10 })).toEqual([])
    const due = now + 60_000
    const claims = await Promise.all(
      Array.from({ length: 5 }, () => claimRevocations(db, { now: due, claimMs: 1_000, limit: 10 })),
    )
    expect(claims.flat().map(({ id }) => id)).toEqual([shortened.id])
    expect(await claimRevocations(db, { now: due + 1_000, claimMs: 1_000, limit: 10 })).toMatchObject([
      { id: shortened.id, revoke_attempts: 2 },
    ])
    await finishRevocation(db, [shortened.id])
    expect(await claimRevocations(db, { now: due + 9_000, claimMs: 1_000, limit: 10 })).toEqual([])
  })

  it('forgets a removed connector only after its last token was dealt with', async () => {
    const db = dbOf(engine)
    const world = await makeWorld(db)
    const token = world.token()
    await recordToken(db, token, { epoch: 0 })
    await removeConnector(db, world.connectorId, now)
    await purge(db, now)
    expect(await findConnector(db, world.uid)).toBeUndefined()
    expect(await findConnectorEvenRemoved(db, world.connectorId)).toBeDefined()
    await finishRevocation(db, [token.id])
    await purge(db, now)
    expect(await findConnectorEvenRemoved(db, world.connectorId)).toBeUndefined()
  })
})

async function purgeAll(engine: string): Promise<void> {
  await dbOf(engine).deleteFrom('issued_tokens').execute()
}

it('S40 lets no token slip between a revocation and a recording that run at the same moment', {
  timeout: 60_000,
}, async () => {
  const db = dbOf('postgres')
  for (let round = 0; round < 60; round++) {
    const world = await makeWorld(db)
    const token = world.token()
    const [kept, ended] = await Promise.all([
      recordToken(db, token, { epoch: 0 }),
      revokeSubject(
        db,
        {
          connectorId: world.connectorId,
          attachmentId: world.attachment.id,
          subjectKey: 'subject',
          installationId: undefined,
        },
        moments,
      ),
    ])
    // Either it was refused, or the revocation ended it: it is never still served.
    expect(await storedId(world)).toBeUndefined()
    expect(ended.tokens.length).toBe(kept ? 1 : 0)
  }
})
