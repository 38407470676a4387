import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCredential } from '../issue/grant-credential.ts'
import { readGrant } from '../store/grants.ts'
import { type GrantBroker, type Place, startGrantBroker } from './test-grants.ts'

let broker: GrantBroker

beforeAll(async () => {
  broker = await startGrantBroker()
})
afterAll(() => broker.close())

const hour = 3_600_000
const token = (more: object = {}) => ({
  accessToken: 'access-secret',
  expiresAt: broker.clock.now + hour,
  subject: { type: 'user', id: 'alice' },
  environment: 'development',
  ...more,
})
const send = (place: Place, tokens: readonly unknown[], more: object = {}) =>
  broker.call('manager', 'POST', place.importPath, { project: place.project, tokens, ...more })

/** Imports one token and returns what came of it. */
async function importOne(place: Place, one: unknown) {
  const { status, body } = await send(place, [one])
  expect(status).toBe(200)
  const [outcome] = body.tokens as {
    succeeded: boolean
    error?: { code: string; message: string }
  }[]
  return outcome
}

/** By user and environment: those of one moment have no order of their own. */
async function grantsOf(place: Place) {
  const { body } = await broker.call('auditor', 'GET', `${place.path}/grants`)
  const grants = body.grants as Record<string, unknown>[]
  const name = ({ userId, environment }: Record<string, unknown>) => `${userId ?? '~'} ${environment}`
  return grants.sort((one, other) => (name(one) < name(other) ? -1 : 1))
}

const askAs = (place: Place, body: object) =>
  broker.call(
    { credential: place.identity },
    'POST',
    `/v1/connect/token/${encodeURIComponent(place.uid)}`,
    body,
  )

describe('importing tokens', () => {
  it('makes grants of users and installations, which then answer token requests', async () => {
    const place = await broker.place()
    const issuer = 'https://issuer.example'
    const { status, body } = await send(place, [
      token({ accessToken: 'alices', subject: { type: 'user', id: 'alice', issuer }, scopes: ['read'] }),
      token({
        accessToken: 'acmes',
        subject: { type: 'app' },
        installation: { id: 'T1', name: 'Acme' },
        tenant: { id: 'org1' },
      }),
    ])
    expect({ status, body }).toEqual({
      status: 200,
      body: { accepted: 2, imported: 2, tokens: [{ succeeded: true }, { succeeded: true }] },
    })
    expect(await grantsOf(place)).toMatchObject([
      { kind: 'user', issuer, userId: 'alice', installationId: null, scopes: ['read'], isDefault: true },
      { kind: 'installation', userId: null, installationId: 'T1', tenantId: 'org1', name: 'Acme' },
    ])
    const alice = { subject: { type: 'user', id: 'alice', issuer } }
    expect(await askAs(place, alice)).toMatchObject({ status: 200, body: { token: 'alices' } })
    expect(await askAs(place, { subject: { type: 'app' }, installationId: 'T1' })).toMatchObject({
      status: 200,
      body: { token: 'acmes' },
    })
    expect((await askAs(place, { subject: { type: 'user', id: 'alice' } })).status).toBe(422)
  })

  it('keeps credentials encrypted, for one grant only', async () => {
    const place = await broker.place()
    const refresh = { refreshToken: 'refresh-secret', refreshTokenExpiresAt: broker.clock.now + 9 * hour }
    await send(place, [token(refresh), token({ subject: { type: 'user', id: 'bob' } })])
    const [alice, bob] = await Promise.all(
      (await grantsOf(place)).map(({ id }) => readGrant(broker.context.db, String(id))),
    )
    if (alice === undefined || bob === undefined) throw new Error('not imported')
    expect(JSON.stringify(alice)).not.toContain('-secret')
    expect(openCredential(broker.context.keyRing, alice)).toEqual({
      accessToken: 'access-secret',
      accessExpiresAtMs: broker.clock.now + hour,
      refreshToken: 'refresh-secret',
      refreshExpiresAtMs: broker.clock.now + 9 * hour,
      granted: { scopes: [], resources: [], authorizationDetails: [] },
    })
    expect([alice.refreshable, bob.refreshable]).toEqual([true, false])
    for (const moved of [
      { ...alice, credential: bob.credential },
      { ...alice, user_id: 'bob' },
      { ...alice, owner: bob.owner.replace('development', 'production') },
      { ...alice, credential_version: 2 },
    ])
      expect(() => openCredential(broker.context.keyRing, moved)).toThrow('did not open')
  })

  it('takes the place of the grant that the same person has', async () => {
    const place = await broker.place()
    await send(place, [token({ accessToken: 'older' })])
    const [before] = await grantsOf(place)
    await send(place, [token({ accessToken: 'newer' })])
    const after = await grantsOf(place)
    expect(after.map(({ id }) => id)).toEqual([before?.id])
    expect(await askAs(place, { subject: { type: 'user', id: 'alice' } })).toMatchObject({
      body: { token: 'newer' },
    })
  })

  it('gives each environment its own grants, and a namespace one for all', async () => {
    const own = await broker.place({}, ['development', 'preview'])
    await send(own, [token(), token({ environment: 'preview' })])
    expect(await grantsOf(own)).toMatchObject([
      { environment: 'development', namespace: null },
      { environment: 'preview', namespace: null },
    ])
    const shared = await broker.place({ userNamespace: 'people' }, ['development', 'preview'])
    await send(shared, [token(), token({ environment: 'preview' })])
    expect(await grantsOf(shared)).toMatchObject([{ environment: 'development', namespace: 'people' }])
  })

  it('says which token failed and why, and imports the others', async () => {
    const place = await broker.place()
    const { status, body } = await send(place, [
      token({ accessToken: undefined }),
      token(),
      token({ environment: 'production' }),
      'text',
    ])
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        accepted: 4,
        imported: 1,
        tokens: [
          { succeeded: false, error: { code: 'invalid_request', message: 'accessToken: expected string' } },
          { succeeded: true },
          { succeeded: false, error: { code: 'not_found' } },
          { succeeded: false, error: { code: 'invalid_request' } },
        ],
      },
    })
  })

  it.each([
    ['an app without an installation', { subject: { type: 'app' } }, 'installation'],
    ['a subject that nobody consents for', { subject: { type: 'token', token: 'secret-value' } }, 'subject'],
    ['an unknown field', { extra: 1 }, 'extra'],
    ['an end of a refresh token that is not there', { refreshTokenExpiresAt: 1 }, 'refreshTokenExpiresAt'],
    ['an end that is no date', { expiresAt: 8_640_000_000_000_001 }, 'expiresAt'],
    ['a token that has ended', { expiresAt: 1 }, 'expiresAt'],
    [
      'a token that has ended, and so has its refresh token',
      { expiresAt: 1, refreshToken: 'r', refreshTokenExpiresAt: 2 },
      'expiresAt',
    ],
    ['an empty access token', { accessToken: '' }, 'accessToken'],
    [
      'names that no index holds',
      { subject: { type: 'user', id: 'x'.repeat(1100), issuer: 'y'.repeat(1000) } },
      'subject',
    ],
  ])('refuses %s', async (_what, more, named) => {
    const place = await broker.place()
    const outcome = await importOne(place, token(more))
    expect(outcome).toMatchObject({ succeeded: false, error: { code: 'invalid_request' } })
    expect(outcome?.error?.message).toContain(named)
    expect(JSON.stringify(outcome)).not.toContain('secret')
    expect(await grantsOf(place)).toEqual([])
  })

  it('takes names as long as the index holds', async () => {
    const place = await broker.place()
    // Random, because the database would compress what repeats itself.
    const id = randomBytes(1500).toString('base64url')
    expect(await importOne(place, token({ subject: { type: 'user', id } }))).toEqual({ succeeded: true })
  })

  it('takes a token that has ended if it can be refreshed', async () => {
    const place = await broker.place()
    expect(await importOne(place, token({ expiresAt: 1, refreshToken: 'r' }))).toEqual({ succeeded: true })
  })

  it('is held to the ceiling of the attachment', async () => {
    const place = await broker.place({ subjects: ['user'], scopes: ['read'] })
    const above = { succeeded: false, error: { code: 'above_ceiling' } }
    expect(await importOne(place, token({ scopes: ['read', 'write'] }))).toMatchObject(above)
    expect(
      await importOne(
        place,
        token({ subject: { type: 'app' }, installation: { id: 'T1' }, scopes: ['read'] }),
      ),
    ).toMatchObject(above)
    // Nobody says what it carries.
    expect(await importOne(place, token())).toMatchObject({ error: { code: 'invalid_request' } })
    expect(await importOne(place, token({ scopes: [] }))).toMatchObject({
      error: { code: 'invalid_request' },
    })
    expect(await importOne(place, token({ scopes: ['read'] }))).toEqual({ succeeded: true })
  })

  it.each([
    ['no project', { project: undefined }, 400],
    ['a project that does not exist', { project: 'nobody' }, 404],
    ['no tokens', { tokens: [] }, 400],
    ['more than a thousand tokens', { tokens: Array.from({ length: 1001 }, () => 1) }, 400],
    ['an unknown field', { frob: 1 }, 400],
  ])('refuses the whole for %s', async (_what, more, status) => {
    const place = await broker.place()
    expect((await send(place, [token()], more)).status).toBe(status)
    expect(await grantsOf(place)).toEqual([])
  })

  it('refuses a connector that does not exist, or keeps no grants', async () => {
    const place = await broker.place()
    const body = { project: place.project, tokens: [token()] }
    const nowhere = await broker.call('owner', 'POST', '/v1/connect/token/fake%2Fnowhere/import', body)
    expect(nowhere.status).toBe(404)
    await broker.call('owner', 'POST', '/v1/connect/connectors', { service: 'plain', name: 'x', data: {} })
    const plain = await broker.call('owner', 'POST', '/v1/connect/token/plain%2Fx/import', body)
    expect(plain).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } })
  })

  it('refuses a project of another connector', async () => {
    const place = await broker.place()
    const other = await broker.place()
    const { body } = await send(place, [token()], { project: other.project })
    expect(body).toMatchObject({ imported: 0, tokens: [{ error: { code: 'not_found' } }] })
  })

  it('is refused to workloads, auditors and strangers, whatever they send', async () => {
    const place = await broker.place()
    const body = { project: place.project, tokens: [token()] }
    const workload = await broker.call({ credential: place.identity }, 'POST', place.importPath, body)
    expect(workload).toMatchObject({
      status: 403,
      body: { error: { code: 'forbidden', message: expect.stringContaining('operator') } },
    })
    expect((await broker.call('auditor', 'POST', place.importPath, body)).status).toBe(403)
    expect((await broker.call({ credential: 'nothing' }, 'POST', place.importPath, body)).status).toBe(401)
    expect(await grantsOf(place)).toEqual([])
  })

  it('leaves intent and outcome in the audit trail, with the ids of the grants and no secret', async () => {
    const place = await broker.place()
    await send(place, [token({ refreshToken: 'refresh-secret' }), token({ accessToken: 7 })])
    const [grant] = await grantsOf(place)
    const { body } = await broker.call('auditor', 'GET', '/v1/audit/events?limit=2')
    expect(body.events).toMatchObject([
      {
        kind: 'management_done',
        action: 'tokens.import',
        connectorUid: place.uid,
        details: { accepted: 2, imported: 1, grants: [grant?.id], project: place.project },
      },
      { kind: 'management_intended', action: 'tokens.import', details: { accepted: 2 } },
    ])
    expect(JSON.stringify(body)).not.toMatch(/-secret|alice/)
    await broker.call({ credential: place.identity }, 'POST', place.importPath, {})
    const refused = await broker.call('auditor', 'GET', '/v1/audit/events?limit=1')
    expect(refused.body.events).toMatchObject([
      { kind: 'management_refused', action: 'tokens.import', reason: 'operator_needed' },
    ])
  })
})
