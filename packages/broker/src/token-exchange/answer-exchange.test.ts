import { drivers } from '@valetkey/connectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Parameters, parseParameters } from '../gateway/parameters.ts'
import { createApp } from '../http/app.ts'
import { startTestBroker, type TestBroker, type TestProject } from '../issue/test-broker.ts'
import { silentLog } from '../log.ts'
import { createTracing } from '../tracing.ts'
import { parseExchange } from './parse-exchange.ts'
import { tokenTypeOf } from './token-type.ts'

const type = 'urn:ietf:params:oauth:token-type'
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'

let broker: TestBroker
let http: ReturnType<typeof createApp>
let project: TestProject
let identity: string
beforeAll(async () => {
  broker = await startTestBroker()
  const { context } = broker
  http = createApp({
    context: () => context,
    log: silentLog,
    development: true,
    publicUrl: context.publicUrl,
    tracing: createTracing(undefined),
  })
  project = await broker.project({ scopes: ['read', 'write'] })
  identity = await identityOf(project)
})
afterAll(() => broker.close())

async function identityOf({ name }: TestProject): Promise<string> {
  const path = `/v1/projects/${name}/development-identities`
  return String((await broker.manage('POST', path, { environment: 'development' })).token)
}

type Pairs = readonly (readonly [string, string])[]

async function post(pairs: Pairs) {
  const init = {
    method: 'POST',
    body: new URLSearchParams(pairs.map(([name, value]): [string, string] => [name, value])),
  }
  const answer = await http.fetch(new Request(`${broker.context.publicUrl}/oauth/token`, init))
  const body = (await answer.json()) as Record<string, unknown>
  return { status: answer.status, headers: answer.headers, body }
}

/** An exchange of the project's, with some parameters changed or (as undefined) left out. */
function exchange(changes: Readonly<Record<string, string | undefined>> = {}, more: Pairs = []) {
  const parameters: Record<string, string | undefined> = {
    grant_type: grant,
    subject_token: identity,
    subject_token_type: `${type}:jwt`,
    audience: `fake/${project.name}`,
    ...changes,
  }
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return post([...given, ...more])
}

describe('token exchange (RFC 8693)', () => {
  it('answers with the provider’s token, whole, and for no cache', async () => {
    const { status, headers, body } = await exchange({ scope: 'read write' })
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      access_token: expect.stringMatching(/^provider-token-/),
      issued_token_type: `${type}:access_token`,
      token_type: 'Bearer',
      expires_in: 3_600,
    })
  })

  it('says which scopes were granted where that is not what was asked for', async () => {
    expect((await exchange()).body.scope).toBe('read write')
    expect((await exchange({ scope: 'read' })).body).not.toHaveProperty('scope')
  })

  it('is the very token request of the other route: one stored token, one kind of event', async () => {
    const own = await broker.project()
    const [first, second] = [
      await exchange({ audience: `fake/${own.name}`, subject_token: await identityOf(own) }),
      await own.ask(),
    ]
    expect(second.body.token).toBe(first.body.access_token)
    expect(broker.provider.minted).toHaveLength(1)
    expect(await own.tokenEvents()).toEqual(['token_intended', 'token_issued', 'token_issued'])
  })

  it('takes the connector’s id, the other type of identity, and the one type it issues', async () => {
    const { id } = await broker.manage('GET', project.connectorPath)
    const changes = {
      audience: String(id),
      subject_token_type: `${type}:id_token`,
      requested_token_type: `${type}:access_token`,
    }
    expect((await exchange(changes)).status).toBe(200)
  })

  it('asks for a user by requested_subject', async () => {
    const own = await broker.project()
    const subject_token = await identityOf(own)
    const answer = await exchange({
      audience: `fake/${own.name}`,
      subject_token,
      requested_subject: 'user-1',
    })
    expect(answer.status).toBe(200)
    expect(broker.provider.minted.map(({ subject }) => subject)).toEqual([{ type: 'user', id: 'user-1' }])
  })

  it('S38 takes no access token of the broker for a JWT, though the other route takes it', async () => {
    const path = '/v1/access-tokens'
    const made = await broker.manage('POST', path, { project: project.name, environment: 'development' })
    expect((await project.askAs(String(made.token))).status).toBe(200)
    const { status, body } = await exchange({ subject_token: String(made.token) })
    expect([status, body.error]).toEqual([400, 'invalid_request'])
  })

  it('tells nobody a connector that is not linked from one that does not exist', async () => {
    const other = await broker.project()
    const { status, body } = await exchange({ audience: `fake/${other.name}` })
    expect([status, body.error]).toEqual([400, 'invalid_target'])
    const unknown = await exchange({ audience: 'fake/none' })
    expect(unknown.body).toEqual(body)
  })

  it.each([
    ['no identity', { subject_token: undefined }, 'invalid_request'],
    ['an identity that is not accepted', { subject_token: 'a.b.c' }, 'invalid_request'],
    ['a type that is none of the two', { subject_token_type: `${type}:access_token` }, 'invalid_request'],
    ['no type', { subject_token_type: undefined }, 'invalid_request'],
    ['an access token of the broker', { subject_token: 'vk_0000000000000000_x' }, 'invalid_request'],
    ['no connector', { audience: undefined }, 'invalid_request'],
    ['an actor', { actor_token: 'x', actor_token_type: `${type}:jwt` }, 'invalid_request'],
    ['another type to issue', { requested_token_type: `${type}:refresh_token` }, 'invalid_request'],
    ['a scope above the ceiling', { scope: 'admin' }, 'invalid_scope'],
    ['scopes parted by two spaces', { scope: 'read  write' }, 'invalid_scope'],
    ['a resource of a connector that knows none', { resource: 'https://api.fake.test/' }, 'invalid_target'],
    [
      'details of an unknown type',
      { authorization_details: '[{"type":"t"}]' },
      'invalid_authorization_details',
    ],
    ['details that are no JSON', { authorization_details: '{' }, 'invalid_authorization_details'],
    ['details that are no list', { authorization_details: '{"type":"t"}' }, 'invalid_authorization_details'],
    ['no details in the list', { authorization_details: '[]' }, 'invalid_authorization_details'],
    ['details without a type', { authorization_details: '[{"a":1}]' }, 'invalid_authorization_details'],
    [
      'details that end early',
      { authorization_details: '[{"type":"t"}],"x":1' },
      'invalid_authorization_details',
    ],
    [
      'details that say a thing twice',
      { authorization_details: '[{"type":"t","type":"u"}]' },
      'invalid_authorization_details',
    ],
    [
      'details with a prototype',
      { authorization_details: '[{"type":"t","__proto__":{}}]' },
      'invalid_authorization_details',
    ],
  ])('with %s is refused as %s', async (_what, changes, error) => {
    const { status, headers, body } = await exchange(changes)
    expect([status, body.error]).toEqual([400, error])
    expect(headers.get('cache-control')).toBe('no-store')
    // RFC 6749 §5.2
    expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
    expect(JSON.stringify(body)).not.toContain(identity)
  })

  it('reads nothing that stands behind the list of details', () => {
    const form = (details: string) =>
      new URLSearchParams({
        subject_token: 'a.b.c',
        subject_token_type: `${type}:jwt`,
        audience: 'fake/p1',
        authorization_details: details,
      }).toString()
    const parse = (details: string) => parseExchange(parseParameters(form(details)) as Parameters)
    expect(parse('[{"type":"t"}]')).toMatchObject({ ok: true })
    for (const details of [
      '[{"type":"t"}],"x":1',
      '[{"type":"t"}],"details":[{"type":"u"}]',
      '[{"type":"t"}]}',
    ])
      expect(parse(details)).toMatchObject({ ok: false, error: { code: 'invalid_authorization_details' } })
  })

  it.each(['grant_type', 'subject_token', 'subject_token_type', 'scope', 'requested_subject'])(
    'with two of %s is refused',
    async (name) => {
      const { status, body } = await exchange({ scope: 'read', requested_subject: 'u' }, [[name, 'again']])
      expect([status, body.error]).toEqual([400, 'invalid_request'])
    },
  )

  it('is for one connector, however often it is named', async () => {
    expect((await exchange({}, [['audience', 'fake/other']])).body.error).toBe('invalid_target')
    expect((await exchange({}, [['audience', `fake/${project.name}`]])).body.error).toBe('invalid_target')
  })

  it('leaves an event of every refusal of somebody known, as the other route does', async () => {
    const own = await broker.project({ scopes: ['read'] })
    const changes = { audience: `fake/${own.name}`, subject_token: await identityOf(own), scope: 'admin' }
    expect((await exchange(changes)).body.error).toBe('invalid_scope')
    expect(await own.tokenEvents()).toEqual(['token_refused'])
  })

  it('says when the provider fails, and none of its words', async () => {
    const own = await broker.project()
    broker.provider.onMint = async () => {
      throw new Error('upstream body with secrets')
    }
    const { status, body } = await exchange({
      audience: `fake/${own.name}`,
      subject_token: await identityOf(own),
    })
    expect(status).toBeGreaterThanOrEqual(502)
    expect(JSON.stringify(body)).not.toContain('upstream')
  })
})

describe('token_type', () => {
  it('is N_A for what is not sent as a Bearer token', () => {
    const types = ['api-key', 'oauth', 'github', 'slack']
    expect(types.map((type) => tokenTypeOf({ drivers }, type))).toEqual(['N_A', 'Bearer', 'Bearer', 'Bearer'])
  })
})
