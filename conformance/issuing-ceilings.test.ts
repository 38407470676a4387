import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
let identity: string

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver] })
  identity = await (await createProject(broker, issuer, 'agent')).identity()
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

/** A connector of its own for each ceiling. */
async function connector(name: string, ceiling: Readonly<Record<string, unknown>> = {}): Promise<string> {
  await createVault(broker, name)
  await attach(broker, `vault/${name}`, 'agent', ceiling)
  return `vault/${name}`
}

/** Asks, expects a refusal and that nothing was minted for it. */
async function refused(
  uid: string,
  request: unknown,
): Promise<{ code: string | undefined; message: string }> {
  const before = provider.mints.length
  const answer = await broker.ask(uid, identity, request)
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(answer.body.token).toBeUndefined()
  expect(provider.mints).toHaveLength(before)
  return { code: answer.code, message: answer.message ?? '' }
}

describe('S15 the subject', () => {
  const requests: readonly (readonly [string, unknown])[] = [
    ['no subject', {}],
    ['a request of null', null],
    ['a request that is a list', [{ subject: { type: 'app' } }]],
    ['a subject of null', { subject: null }],
    ['a subject that is a word', { subject: 'app' }],
    ['a list of subjects', { subject: [{ type: 'app' }] }],
    ['an empty subject', { subject: {} }],
    ['a subject without a type', { subject: { id: 'alice' } }],
    ['an unknown type', { subject: { type: 'default' } }],
    ['a type in another case', { subject: { type: 'App' } }],
    ['a list of types', { subject: { type: ['app', 'user'] } }],
    ['a user without an id', { subject: { type: 'user' } }],
    ['a user with an empty id', { subject: { type: 'user', id: '' } }],
    ['a user with an id of null', { subject: { type: 'user', id: null } }],
    ['a user with a number for an id', { subject: { type: 'user', id: 0 } }],
    ['a user with an oversized id', { subject: { type: 'user', id: 'x'.repeat(2049) } }],
    ['a user with an empty issuer', { subject: { type: 'user', id: 'alice', issuer: '' } }],
    ['a user by another name of the field', { subject: { type: 'user', userId: 'alice' } }],
    ['an app with an id', { subject: { type: 'app', id: 'alice' } }],
    ['an assertion without a sub', { subject: { type: 'jwt-bearer' } }],
    ['an upstream token that is empty', { subject: { type: 'token', token: '' } }],
    ['a subject beside the request', { type: 'user', id: 'alice' }],
    ['a misspelt field beside the subject', { subject: { type: 'app' }, scope: ['read'] }],
  ]

  beforeAll(() => connector('subjects'))

  it.each(requests)('S15 %s is an error and falls back to nobody', async (_what, request) => {
    // Somebody else's token lies there to fall back to.
    expect((await broker.ask('vault/subjects', identity)).status).toBe(200)
    expect((await refused('vault/subjects', request)).code).toBe('invalid_request')
  })

  it.each(['', 'null', '{', 'subject=app', '{"subject":{"type":"app"}}}'])(
    'S15 a body of %j is an error',
    async (rawBody) => {
      const path = '/v1/connect/token/vault%2Fsubjects'
      const answer = await broker.call('POST', path, { token: identity, rawBody })
      expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
    },
  )

  it('S15 a subject that is no well-formed text is an error of the caller, whoever that is', async () => {
    const rawBody = '{"subject":{"type":"user","id":"\\ud800"}}'
    const path = '/v1/connect/token/vault%2Fsubjects'
    const known = await broker.call('POST', path, { token: identity, rawBody })
    expect(known).toMatchObject({ status: 400, code: 'invalid_request' })
    const anonymous = await broker.call('POST', path, { rawBody })
    expect(anonymous).toMatchObject({ status: 401, code: 'identity_invalid' })
    expect(broker.logs.filter((line) => line.level === 'error')).toEqual([])
  })

  it('S15 one subject never gets what another was issued', async () => {
    const subjects = [
      { type: 'app' },
      { type: 'user', id: 'alice' },
      { type: 'user', id: 'bob' },
      { type: 'user', id: 'alice', issuer: 'https://a.example' },
      { type: 'user', id: 'alice', issuer: 'https://b.example' },
      { type: 'jwt-bearer', sub: 'alice' },
      { type: 'token', token: 'alice' },
    ]
    const tokens = new Set<unknown>()
    for (const subject of subjects)
      tokens.add((await broker.ask('vault/subjects', identity, { subject })).body.token)
    expect(tokens.size).toBe(subjects.length)
    expect(provider.mints.slice(-6).map((mint) => mint.subject)).toEqual(subjects.slice(1))
  })

  it('S15 revoking without a subject reaches nobody for a workload', async () => {
    const { body } = await broker.ask('vault/subjects', identity)
    for (const request of [undefined, {}, { installationId: 'x' }]) {
      const answer = await broker.call('DELETE', '/v1/connect/connectors/vault%2Fsubjects/tokens', {
        token: identity,
        body: request,
      })
      expect(answer).toMatchObject({ status: 403, code: 'forbidden' })
    }
    expect((await broker.ask('vault/subjects', identity)).body.tokenId).toBe(body.tokenId)
  })
})

describe('S16 ceilings', () => {
  const app = { type: 'app' }
  const ceiling = {
    subjects: ['app'],
    scopes: ['read', 'list'],
    resources: ['https://a.example'],
    authorizationDetails: [
      { type: 'files', paths: ['/a', '/b'] },
      { type: 'files', paths: ['/c'] },
    ],
    maxTtlSeconds: 600,
  }

  beforeAll(async () => {
    await connector('held', ceiling)
    await connector('open')
  })

  const above: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ['another subject', { subject: { type: 'user', id: 'alice' } }, /subject user/],
    ['one scope more', { scopes: ['read', 'write'] }, /write/],
    ['another scope', { scopes: ['admin'] }, /admin/],
    ['a scope in another case', { scopes: ['READ'] }, /READ/],
    ['a scope that holds two', { scopes: ['read list'] }, /scopes/],
    ['a scope that begins like one', { scopes: ['read:all'] }, /scopes/],
    ['a pattern of scopes', { scopes: ['rea*'] }, /scopes/],
    ['another resource', { resources: ['https://b.example'] }, /resources/],
    ['a resource with a slash', { resources: ['https://a.example/'] }, /resources/],
    ['another path', { authorizationDetails: [{ type: 'files', paths: ['/d'] }] }, /\/d/],
    ['paths of two entries', { authorizationDetails: [{ type: 'files', paths: ['/a', '/c'] }] }, /paths/],
    [
      'one detail above among good ones',
      {
        authorizationDetails: [
          { type: 'files', paths: ['/a'] },
          { type: 'files', paths: ['/d'] },
        ],
      },
      /\/d/,
    ],
  ]
  it.each(above)('S16 refuses %s and names the part', async (_what, request, part) => {
    const { code, message } = await refused('vault/held', { subject: app, ...request })
    expect(code).toBe('above_ceiling')
    expect(message).toMatch(part)
  })

  const invalid: readonly (readonly [string, Record<string, unknown>])[] = [
    ['no scopes', { scopes: [] }],
    ['no resources', { resources: [] }],
    ['no details', { authorizationDetails: [] }],
    ['no audience', { audience: [] }],
    ['scopes of null', { scopes: null }],
    ['scopes in one text', { scopes: 'read list' }],
    ['an empty scope', { scopes: [''] }],
    ['a star beside a scope', { scopes: ['*', 'read'] }],
    ['scopes in an object', { scopes: { 0: 'read', length: 1 } }],
    ['a detail without a type', { authorizationDetails: [{ paths: ['/a'] }] }],
    ['a detail of an unknown type', { authorizationDetails: [{ type: 'folders' }] }],
    ['a detail that is a list', { authorizationDetails: [['files']] }],
    ['details in an object', { authorizationDetails: { type: 'files' } }],
    ['a detail of the wrong form', { authorizationDetails: [{ type: 'files', paths: '/a' }] }],
    ['an empty installation', { installationId: '' }],
    ['more scopes than anyone has', { scopes: Array.from({ length: 101 }, (_, index) => `s${index}`) }],
    ['a negative buffer', { validityBufferMs: -1 }],
    ['a life of its own choice', { maxTtlSeconds: 86_400 }],
    ['a ceiling of its own', { ceiling: {} }],
  ]
  it.each(invalid)('S16 %s is an error and not "all"', async (_what, request) => {
    for (const uid of ['vault/held', 'vault/open'])
      expect((await refused(uid, { subject: app, ...request })).code).toBe('invalid_request')
  })

  it('S16 a member that a parser may drop is an error, never a wider request', async () => {
    const rawBody =
      '{"subject":{"type":"app"},"authorizationDetails":[{"type":"files","__proto__":{"paths":["/a"]}}]}'
    const answer = await broker.call('POST', '/v1/connect/token/vault%2Fopen', { token: identity, rawBody })
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
  })

  it('S16 what is left out is the ceiling, and the answer says so', async () => {
    for (const request of [{ subject: app }, { subject: app, scopes: ['*'] }]) {
      const { body } = await broker.ask('vault/held', identity, request)
      const details = ceiling.authorizationDetails
      const all = {
        scopes: ['read', 'list'],
        resources: ['https://a.example'],
        authorizationDetails: details,
      }
      expect(body).toMatchObject({ requested: all, granted: all, enforcedBy: 'provider' })
    }
    const asked = provider.mints.at(-1)
    expect(asked?.scopes).toEqual(['read', 'list'])
    expect(asked?.authorizationDetails).toEqual(ceiling.authorizationDetails)
  })

  it('S16 what is within reaches the provider as it was asked, no more and no less', async () => {
    const request = {
      subject: app,
      scopes: ['read'],
      resources: ['https://a.example'],
      authorizationDetails: [{ type: 'files', paths: ['/b'] }],
    }
    const { body } = await broker.ask('vault/held', identity, request)
    const { subject: _, ...parts } = request
    expect(provider.mints.at(-1)).toMatchObject(parts)
    expect(body.granted).toEqual(parts)
  })

  it('S16 no token outlives the ceiling, and what the provider would honour longer is ended there', async () => {
    const short = await startBroker({ clock, drivers: [provider.driver], revocationEveryMs: 20 })
    const { identity: own } = await createProject(short, issuer, 'brief')
    await createVault(short, 'brief')
    await attach(short, 'vault/brief', 'brief', { maxTtlSeconds: 600 })
    const { body } = await short.ask('vault/brief', await own())
    expect(body.expiresAt).toBe(clock.now() + 600_000)
    expect(provider.revoked).not.toContain(body.token)
    clock.advance(600_001)
    await expect.poll(() => provider.revoked, { timeout: 10_000 }).toContain(body.token)
    const next = await short.ask('vault/brief', await own())
    expect(next.body.token).not.toBe(body.token)
    await short.close()
  })

  it('S16 a lowered ceiling holds at once, for what was issued before too', async () => {
    const uid = await connector('lowered', { scopes: ['read', 'write'] })
    const before = await broker.ask(uid, identity, { subject: app, scopes: ['write'] })
    expect(before.status).toBe(200)
    await attach(broker, uid, 'agent', { scopes: ['read'] })
    expect((await refused(uid, { subject: app, scopes: ['write'] })).code).toBe('above_ceiling')
    // What the old ceiling stood for is not served to somebody who leaves it out either.
    expect((await broker.ask(uid, identity)).body.requested).toMatchObject({ scopes: ['read'] })
  })

  it('S16 a ceiling that can not hold is refused when written', async () => {
    const write = (body: object) =>
      broker.call('POST', '/v1/connect/connectors/vault%2Fopen/projects/agent', {
        token: broker.owner,
        body: { environments: ['production'], ...body },
      })
    for (const body of [
      { scopes: [] },
      { resources: [] },
      { authorizationDetails: [] },
      { subjects: [] },
      { scopes: ['*'] },
      { subjects: ['everyone'] },
      { authorizationDetails: [{ type: 'folders' }] },
      { maxTtlSeconds: 0 },
      { maxTtlSeconds: 86_401 },
      { environments: [] },
      { scope: ['read'] },
    ])
      expect(await write(body)).toMatchObject({ status: 400, code: 'invalid_request' })
  })

  it('S16 an attachment of one environment gives nothing to another', async () => {
    await createVault(broker, 'staged')
    await attach(broker, 'vault/staged', 'agent', { environments: ['preview'] })
    expect((await refused('vault/staged', { subject: app })).code).toBe('forbidden')
  })
})
