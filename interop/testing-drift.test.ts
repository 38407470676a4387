// One script for a mock and a broker: whoever tests against the one meets no surprise at the other.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { followConsent } from '@valetkey/example-support'
import { type MockIssuingPoint, mockIssuingPoint } from '@valetkey/testing'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevelopment } from './support/broker.ts'
import { attach, createConnector, createWorkload } from './support/operator.ts'

const user = { subject: { type: 'user', id: 'ann' } }
const returnUrl = 'http://localhost:9999/connected'

/** An issuing point, as somebody in front of a keyboard meets it. */
interface Side {
  readonly url: string
  readonly identity: string
  /** What the browser comes back with. */
  person(began: Began, agrees: boolean): Promise<URL>
  close(): Promise<void>
}

interface Began {
  readonly url: string
  readonly request: string
  readonly verifier: string
}

interface Answered {
  readonly status: number
  readonly code: string | undefined
  readonly body: Readonly<Record<string, unknown>>
}

async function startMock(): Promise<Side> {
  const mock: MockIssuingPoint = mockIssuingPoint({
    tokens: {
      'oauth/mail': { token: 'mail-token', origins: ['https://mail.example'] },
      'api-key/weather': 'weather-key',
    },
    consent: { 'oauth/mail': 'required' },
  })
  const server = setupServer(...mock.handlers)
  server.listen({ onUnhandledFrame: 'error' })
  return {
    url: mock.url,
    identity: mock.environment.VALETKEY_ID_TOKEN,
    async person({ request }, agrees) {
      return new URL((agrees ? mock.consent(request) : mock.deny(request)).returnUrl ?? '')
    },
    async close() {
      server.close()
    },
  }
}

async function startBroker(): Promise<Side> {
  // A provider where everybody agrees to everything.
  const provider = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://provider')
    if (pathname === '/authorize') {
      const back = new URL(searchParams.get('redirect_uri') ?? '')
      back.search = `${new URLSearchParams({ code: 'code', state: searchParams.get('state') ?? '' })}`
      return response.writeHead(302, { location: back.href }).end()
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    return response.end(
      JSON.stringify({ access_token: 'mail-token', token_type: 'Bearer', expires_in: 3600, scope: 'read' }),
    )
  })
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
  const place = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
  const broker = await startDevelopment()
  const { owner } = broker
  const identity = await createWorkload(owner, 'agent')
  await createConnector(owner, 'api-key', 'weather', { value: 'weather-key' })
  await createConnector(owner, 'oauth', 'mail', {
    serverConfig: { authorizationEndpoint: `${place}/authorize`, tokenEndpoint: `${place}/token` },
    clientId: 'client',
    clientSecret: 'a-secret-of-the-test',
    userAuthorization: { scopes: ['read'] },
    origins: ['https://mail.example'],
  })
  await attach(owner, 'api-key/weather', 'agent', 'development')
  await attach(owner, 'oauth/mail', 'agent', 'development')
  return {
    ...{ url: broker.url, identity },
    person: ({ url }, agrees) =>
      followConsent(
        url,
        returnUrl,
        ([form]) => form && (agrees ? form : { ...form, fields: { ...form.fields, action: 'cancel' } }),
      ),
    async close() {
      await broker.close()
      provider.closeAllConnections()
      await new Promise((resolve) => provider.close(resolve))
    },
  }
}

describe.each([
  ['the mock', startMock],
  ['a broker', startBroker],
])('%s', (_which, start) => {
  let side: Side
  beforeAll(async () => {
    side = await start()
  })
  afterAll(() => side.close())

  async function send(method: string, path: string, init: RequestInit): Promise<Answered> {
    const headers = { authorization: `Bearer ${side.identity}`, 'content-type': 'application/json' }
    const answer = await fetch(`${side.url}/v1/connect/${path}`, { method, headers, ...init })
    expect(answer.headers.get('x-request-id')).toMatch(/^req_\w{32}$/)
    const body = (await answer.json()) as Answered['body'] & { error?: { code: string; requestId?: string } }
    if (answer.ok) return { status: answer.status, code: undefined, body }
    expect(Object.keys(body)).toEqual(['error'])
    expect(Object.keys(body.error ?? {}).sort()).toEqual(['code', 'message', 'requestId'])
    expect(body.error?.requestId).toBe(answer.headers.get('x-request-id'))
    return { status: answer.status, code: body.error?.code, body }
  }

  const ask = (method: string, path: string, body?: object): Promise<Answered> =>
    send(method, path, body === undefined ? {} : { body: JSON.stringify(body) })

  const token = (connector: string, body: object) =>
    ask('POST', `token/${encodeURIComponent(connector)}`, body)

  async function begin(): Promise<Began> {
    const { body } = await ask('POST', 'authorize/oauth%2Fmail', { ...user, returnUrl, binding: 'complete' })
    return body as unknown as Began
  }

  const about = (what: string, { request }: Pick<Began, 'request'>, body: object) =>
    ask('POST', `requests/${request}/${what}`, body)

  it.each<[string, string, object | undefined, number, string]>([
    ['POST', 'token/oauth%2Fother', { subject: { type: 'app' } }, 403, 'forbidden'],
    ['POST', 'token/oauth%2Fmail', user, 422, 'user_authorization_required'],
    ['POST', 'token/oauth%2Fmail', {}, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { subject: { type: 'robot' } }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { subject: { type: 'user' } }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { subject: { type: 'user', id: '' } }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { ...user, scopes: [] }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { ...user, scopes: ['*', 'read'] }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { ...user, scope: 'read' }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { ...user, authorizationDetails: [{}] }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { ...user, validityBufferMs: -1 }, 400, 'invalid_request'],
    ['POST', 'token/oauth%2Fmail', { ...user, context: { toolCall: 'x' } }, 400, 'invalid_request'],
    ['POST', 'authorize/oauth%2Fother', { ...user, binding: 'complete' }, 403, 'forbidden'],
    ['POST', 'authorize/oauth%2Fmail', user, 400, 'invalid_request'],
    ['POST', 'authorize/oauth%2Fmail', { ...user, binding: 'consent' }, 400, 'invalid_request'],
    ['POST', 'authorize/oauth%2Fmail', { subject: { type: 'app' } }, 400, 'invalid_request'],
    ['POST', 'authorize/oauth%2Fmail', { ...user, expiresInMs: 1 }, 400, 'invalid_request'],
    ['POST', 'requests/ask_1/status', { verifier: 'x' }, 403, 'forbidden'],
    ['POST', 'requests/ask_1/status', {}, 400, 'invalid_request'],
    ['POST', 'requests/ask_1/complete', { verifier: 'x', code: 'x', ...user }, 403, 'forbidden'],
    ['POST', 'requests/ask_1/complete', { verifier: 'x' }, 400, 'invalid_request'],
    ['GET', 'connectors/oauth%2Fother', undefined, 403, 'forbidden'],
    ['DELETE', 'connectors/oauth%2Fother/tokens', user, 403, 'forbidden'],
    ['DELETE', 'connectors/oauth%2Fmail/tokens', undefined, 403, 'forbidden'],
    ['DELETE', 'connectors/oauth%2Fmail/tokens', { user: 'ann' }, 400, 'invalid_request'],
    ['POST', 'nowhere', {}, 404, 'not_found'],
  ])('answers %s %s with %j by %i %s', async (method, path, body, status, code) => {
    expect(await ask(method, path, body)).toMatchObject({ status, code })
  })

  it('names the missing link in the words that clients match on', async () => {
    const { body } = await token('oauth/other', user)
    expect(JSON.stringify(body)).toContain('connector is not linked to this project')
  })

  it.each<[string, number, string, RequestInit]>([
    ['no identity', 401, 'identity_invalid', { headers: { 'content-type': 'application/json' } }],
    ['a text', 400, 'invalid_request', { body: '"x"' }],
    ['half a body', 400, 'invalid_request', { body: '{"subject"' }],
    ['no body', 400, 'invalid_request', {}],
    ['a huge body', 413, 'too_large', { body: JSON.stringify({ x: 'x'.repeat(70_000) }) }],
  ])('answers %s by %i %s', async (_what, status, code, init) => {
    expect(await send('POST', 'token/oauth%2Fmail', init)).toMatchObject({ status, code })
  })

  it('answers tokens and descriptions with the same fields', async () => {
    const issued = await token('api-key/weather', { subject: { type: 'app' } })
    expect(issued.status).toBe(200)
    const fields = ['connector', 'enforcedBy', 'expiresAt', 'granted', 'requested', 'token', 'tokenId']
    // The mock knows neither the kind of a credential nor where it may be sent.
    expect(
      Object.keys(issued.body)
        .filter((field) => field !== 'standing' && field !== 'origins')
        .sort(),
    ).toEqual(fields)
    const again = await token('api-key/weather', { subject: { type: 'app' }, scopes: ['*'] })
    expect(again.body.tokenId).toBe(issued.body.tokenId)
    const described = await ask('GET', 'connectors/oauth%2Fmail')
    expect(described.body).toMatchObject({ uid: 'oauth/mail', name: 'mail', type: 'oauth', service: 'oauth' })
    const { id } = described.body
    expect((await ask('GET', `connectors/${id}`)).body).toEqual(described.body)
  })

  it('leads from consent to a token and back', async () => {
    const began = await begin()
    expect(Object.keys(began).sort()).toEqual(['connector', 'expiresAt', 'request', 'url', 'verifier'])
    const { request, verifier } = began
    const status = () => about('status', began, { verifier })
    const complete = (given: object) => about('complete', began, { verifier, code: 'x', ...user, ...given })
    const outcome = async (attempt: Promise<Answered>) => {
      const { status, code } = await attempt
      return [status, code]
    }
    expect((await status()).body).toEqual({ request, status: 'pending' })
    expect(await outcome(complete({}))).toEqual([409, 'conflict'])
    const back = await side.person(began, true)
    expect([...back.searchParams.keys()]).toEqual(['request', 'code'])
    const code = back.searchParams.get('code') ?? ''
    expect((await status()).body).toEqual({ request, status: 'consented' })
    expect(await outcome(complete({}))).toEqual([400, 'invalid_request'])
    expect(await outcome(complete({ code, subject: { type: 'user', id: 'bob' } }))).toEqual([
      400,
      'invalid_request',
    ])
    expect(await outcome(complete({ code, subject: undefined }))).toEqual([400, 'invalid_request'])
    expect(await outcome(complete({ code, subject: { type: 'app' } }))).toEqual([400, 'invalid_request'])
    expect(await outcome(complete({ code, verifier: 'x' }))).toEqual([403, 'forbidden'])
    expect(await outcome(token('oauth/mail', user))).toEqual([422, 'user_authorization_required'])
    expect(await complete({ code })).toMatchObject({ status: 200, body: { request, status: 'active' } })
    expect(await outcome(complete({ code }))).toEqual([409, 'conflict'])
    expect((await status()).body).toEqual({ request, status: 'active' })

    expect((await token('oauth/mail', user)).body.token).toBe('mail-token')
    const revoked = await ask('DELETE', 'connectors/oauth%2Fmail/tokens', user)
    const counts = ['deleted', 'providerFailed', 'providerRevoked', 'providerSkipped', 'tokensFound']
    expect(Object.keys(revoked.body).sort()).toEqual(counts)
    expect(await outcome(token('oauth/mail', user))).toEqual([422, 'user_authorization_required'])
  })

  it('leads from a refusal of the user nowhere', async () => {
    const began = await begin()
    const { request, verifier } = began
    const back = await side.person(began, false)
    expect(`${back.searchParams}`).toBe(`request=${request}&error=access_denied`)
    const { body } = await about('status', began, { verifier })
    expect(body).toMatchObject({ request, status: 'denied', error: { code: 'access_denied' } })
    expect(await about('complete', began, { verifier, code: 'x', ...user })).toMatchObject({
      code: 'conflict',
    })
  })
})
