import { errorCodes, type WireErrorCode } from '@valetkey/protocol'
import { type Client, createClient } from '@valetkey/sdk'
import {
  createClock,
  type MockIssuingPoint,
  type MockIssuingPointOptions,
  mockIssuingPoint,
} from '@valetkey/testing'
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { refusalOf } from './support/rejection.ts'

// The examples of the README register tests of their own.
describe('the README: a first test', async () => {
  await import('./testing-examples/first.ts')
})
describe('the README: consent', async () => {
  await import('./testing-examples/consent.ts')
})
describe('the README: failures', async () => {
  await import('./testing-examples/failures.ts')
})
describe('the README: time', async () => {
  await import('./testing-examples/time.ts')
})
describe('the README: platforms', async () => {
  await import('./testing-examples/platform.ts')
})

const app = { subject: { type: 'app' } } as const
const ann = { subject: { type: 'user', id: 'ann' } } as const
const callbackUrl = 'https://app.example/connected?tab=2'
const wireCodes = Object.keys(errorCodes).filter(
  (code) => errorCodes[code as WireErrorCode].side === 'issuing-point',
) as WireErrorCode[]

describe('the SDK at a mocked issuing point', () => {
  const server = setupServer()
  beforeAll(() => server.listen({ onUnhandledFrame: 'error' }))
  afterEach(() => server.resetHandlers())
  afterAll(() => server.close())

  function clientOf({ url, environment }: MockIssuingPoint, now?: () => number): Client {
    return createClient({ url, identity: environment.VALETKEY_ID_TOKEN, ...(now && { now }) })
  }

  function start(options: MockIssuingPointOptions = {}): { mock: MockIssuingPoint; client: Client } {
    const mock = mockIssuingPoint(options)
    server.use(...mock.handlers)
    return { mock, client: clientOf(mock, options.now) }
  }

  describe('tokens', () => {
    it('differ by connector, live an hour and are asked for once', async () => {
      const clock = createClock()
      const { mock, client } = start({ now: clock.now })
      const slack = await client.getTokenResponse('slack/mybot', app)
      expect(slack).toMatchObject({
        expiresAt: clock.now() + 3_600_000,
        connector: { uid: 'slack/mybot', type: 'slack' },
      })
      expect(await client.getToken('slack/mybot', app)).toBe(slack.token)
      expect(await client.getToken('github/mybot', app)).not.toBe(slack.token)
      expect(mock.requests.map(({ connector }) => connector)).toEqual(['slack/mybot', 'github/mybot'])
    })

    it('are one for two clients with a cache each, as at a broker', async () => {
      const { mock, client } = start()
      const token = await client.getToken('slack/mybot', app)
      expect(await clientOf(mock).getToken('slack/mybot', app)).toBe(token)
      expect(mock.requests).toHaveLength(2)
    })

    it('of one mock are not known to the SDK when the next is asked', async () => {
      const first = mockIssuingPoint({ tokens: { 'slack/mybot': 'first' } })
      const second = mockIssuingPoint({ tokens: { 'slack/mybot': 'second' } })
      const identities = [first, second].map(({ environment }) => environment.VALETKEY_ID_TOKEN)
      let identity = identities[0] ?? ''
      const { getToken } = createClient({ url: first.url, identity: () => Promise.resolve(identity) })
      server.use(...first.handlers)
      expect(await getToken('slack/mybot', app)).toBe('first')
      server.use(...second.handlers)
      identity = identities[1] ?? ''
      expect(await getToken('slack/mybot', app)).toBe('second')
    })

    it('are as they were given: a text, an answer, a function of the request', async () => {
      const { mock, client } = start({
        tokens: {
          'slack/a': 'a-text',
          'slack/b': { token: 'an-answer', name: 'Bot', origins: ['https://slack.com'] },
          'slack/c': async ({ scopes, toolCallId }) =>
            `${scopes?.join('+')} for ${toolCallId}`.replaceAll(' ', '-'),
        },
      })
      expect(await client.getToken('slack/a', app)).toBe('a-text')
      expect(await client.getTokenResponse('slack/b', app)).toMatchObject({
        ...{ token: 'an-answer', name: 'Bot', origins: ['https://slack.com'] },
      })
      const options = { context: { toolCallId: 'call-7' } }
      const params = { ...app, scopes: ['chat:write', 'users:read'] }
      expect(await client.getToken('slack/c', params, options)).toBe('chat:write+users:read-for-call-7')
      expect(mock.requests[2]).toMatchObject({
        call: 'token',
        connector: 'slack/c',
        ...params,
        toolCallId: 'call-7',
      })
      expect(mock.requests[2]?.identity).toMatchObject({ aud: 'https://valetkey.test' })
    })

    it('are refused for connectors that are not there, in the words of a broker', async () => {
      const { client } = start({ tokens: { 'slack/mybot': 'x' }, consent: { 'linear/tracker': 'granted' } })
      const refusal = await refusalOf(client.getToken('slack/other', app))
      expect(refusal).toMatchObject({
        code: 'forbidden',
        status: 403,
        requestId: expect.stringMatching(/^req_/),
      })
      expect(refusal.message).toContain('connector is not linked to this project')
      expect((await refusalOf(client.startAuthorization('slack/other', ann))).code).toBe('forbidden')
      expect((await refusalOf(client.getConnectorMetadata('slack/other'))).code).toBe('forbidden')
      expect((await refusalOf(client.revokeToken('slack/other', ann))).code).toBe('forbidden')
      expect(await client.getToken('linear/tracker', ann)).toMatch(/^mock-token-/)
    })

    it('are others once they near their end, and not before: as a broker, it serves what it has', async () => {
      const clock = createClock()
      const { client } = start({ now: clock.now })
      const first = await client.getToken('slack/mybot', app)
      clock.advance(3_560_000)
      expect(await client.getToken('slack/mybot', app, { forceRefresh: true })).toBe(first)
      clock.advance(20_000)
      expect(await client.getToken('slack/mybot', app)).not.toBe(first)
    })

    it('that a provider rejected are replaced, by their id', async () => {
      const { mock, client } = start()
      const { token, tokenId } = await client.getTokenResponse('slack/mybot', app)
      expect(await client.getToken('slack/mybot', app, { rejectedToken: token })).not.toBe(token)
      expect(mock.requests.at(-1)?.rejectedTokenId).toBe(tokenId)
      expect(mock.isLive(token)).toBe(false)
    })

    it('go to their origins and nowhere else', async () => {
      const origins = ['https://slack.com']
      const { client } = start({
        tokens: { 'slack/mybot': { token: 'secret', origins }, 'slack/nowhere': 'x' },
      })
      const echo = ({ request }: { request: Request }) =>
        HttpResponse.json(request.headers.get('authorization'))
      server.use(http.get('https://slack.com/api', echo), http.get('https://evil.example/api', echo))
      const fetch = client.createFetch('slack/mybot', app)
      expect(await (await fetch('https://slack.com/api')).json()).toBe('Bearer secret')
      expect(await (await fetch('https://evil.example/api')).json()).toBeNull()
      const unbound = client.createFetch('slack/nowhere', app)
      expect((await refusalOf(unbound('https://slack.com/api'))).code).toBe('invalid_request')
    })

    it('end when they expire, are revoked or end early', async () => {
      const clock = createClock()
      const { mock, client } = start({ now: clock.now })
      const ask = (connector: string) => client.getToken(connector, app)
      const [a, b, c] = [await ask('slack/a'), await ask('slack/b'), await ask('slack/c')]
      expect([a, b, c, 'another'].map(mock.isLive)).toEqual([true, true, true, false])
      mock.expireTokens('slack/a')
      await client.revokeToken('slack/b', app)
      expect([a, b, c].map(mock.isLive)).toEqual([false, false, true])
      expect(await ask('slack/b')).not.toBe(b)
      clock.advance(3_600_000)
      expect(mock.isLive(c)).toBe(false)
    })
  })

  describe('consent', () => {
    it('is completed by code, verifier and subject, and by nothing less', async () => {
      const { mock, client } = start({ consent: { 'linear/tracker': 'required' } })
      const required = await refusalOf(client.getToken('linear/tracker', ann))
      expect(required).toMatchObject({ code: 'user_authorization_required', status: 422, params: ann })
      expect(await client.getToken('linear/tracker', app)).toMatch(/^mock-token-/)

      const { request, verifier } = await client.startAuthorization('linear/tracker', ann, { callbackUrl })
      const attempt = (given: object) =>
        client.completeAuthorization({ request, verifier, code: 'none', ...ann, ...given })
      expect((await refusalOf(attempt({}))).code).toBe('conflict')
      const { code = '', returnUrl } = mock.consent(request)
      expect(returnUrl).toBe(`${callbackUrl}&request=${request}&code=${code}`)
      expect((await refusalOf(attempt({ code: 'wrong' }))).code).toBe('invalid_request')
      expect((await refusalOf(attempt({ code, subject: { type: 'user', id: 'bob' } }))).code).toBe(
        'invalid_request',
      )
      expect((await refusalOf(attempt({ code, verifier: 'wrong' }))).code).toBe('forbidden')
      expect((await refusalOf(client.getToken('linear/tracker', ann))).code).toBe(
        'user_authorization_required',
      )

      await attempt({ code })
      expect(await client.getToken('linear/tracker', ann)).toMatch(/^mock-token-/)
      expect((await refusalOf(attempt({ code }))).code).toBe('conflict')
      const bob = { subject: { type: 'user', id: 'bob' } } as const
      expect((await refusalOf(client.getToken('linear/tracker', bob))).code).toBe(
        'user_authorization_required',
      )
      expect(mock.requests.filter(({ call }) => call === 'complete')[0]).toMatchObject({ request, ...ann })
      for (const secret of [verifier, code, mock.environment.VALETKEY_ID_TOKEN])
        expect(JSON.stringify(mock.requests)).not.toContain(secret)
    })

    it('is waited for, and completed with a typed code in any spelling', async () => {
      const { mock, client } = start({ consent: { 'linear/tracker': 'required' } })
      const began = await client.startAuthorization('linear/tracker', ann, { deviceCode: true })
      expect(began).toMatchObject({ verificationUri: 'https://valetkey.test/device' })
      const seen: string[] = []
      const waiting = client.waitForAuthorization(pick(began), {
        intervalMs: 5,
        async onStatus({ status }) {
          seen.push(status)
          if (status === 'pending') {
            const { code = '' } = mock.consent()
            await client.completeAuthorization({ ...pick(began), code: code.toLowerCase(), ...ann })
          }
        },
      })
      expect((await waiting).status).toBe('active')
      expect(seen.at(-1)).toBe('active')
    })

    it('is denied, by one user or by all', async () => {
      const { mock, client } = start({ consent: { 'linear/tracker': 'required', 'linear/no': 'denied' } })
      for (const connector of ['linear/tracker', 'linear/no']) {
        const began = await client.startAuthorization(connector, ann, { callbackUrl })
        const { returnUrl, code } = mock.deny()
        expect(returnUrl).toBe(`${callbackUrl}&request=${began.request}&error=access_denied`)
        expect(code).toBeUndefined()
        const denied = await refusalOf(client.waitForAuthorization(pick(began)))
        expect(denied).toMatchObject({ code: 'user_authorization_required', retryable: false })
        const attempt = client.completeAuthorization({ ...pick(began), code: 'x', ...ann })
        expect((await refusalOf(attempt)).code).toBe('conflict')
        expect((await refusalOf(client.getToken(connector, ann))).code).toBe('user_authorization_required')
        expect(() => mock.consent(began.request)).toThrow(/denied/)
      }
    })

    it('runs out: the request after ten minutes, the code after one', async () => {
      const clock = createClock()
      const { mock, client } = start({ now: clock.now })
      const first = await client.startAuthorization('linear/tracker', ann, { callbackUrl })
      const { code = '' } = mock.consent()
      clock.advance(60_000)
      const late = client.completeAuthorization({ ...pick(first), code, ...ann })
      expect((await refusalOf(late)).code).toBe('conflict')
      const second = await client.startAuthorization('linear/tracker', ann, { callbackUrl })
      clock.advance(600_000)
      expect(() => mock.consent(second.request)).toThrow(/expired/)
      expect((await refusalOf(client.waitForAuthorization(pick(second)))).message).toContain('expired')
    })

    it('bears three wrong typed codes, and ten others', async () => {
      const { mock, client } = start()
      for (const [options, tries] of [
        [{}, 3],
        [{ callbackUrl }, 10],
      ] as const) {
        const began = await client.startAuthorization('linear/tracker', ann, options)
        const { code = '' } = mock.consent()
        const attempt = (given: string) =>
          client.completeAuthorization({ ...pick(began), code: given, ...ann })
        for (let number = 0; number < tries; number++)
          expect((await refusalOf(attempt('WRNG-CODE'))).code).toBe('invalid_request')
        expect((await refusalOf(attempt(code))).code).toBe('conflict')
      }
    })

    it('is over when it is revoked, by the app or at the provider', async () => {
      const { mock, client } = start()
      const bob = { subject: { type: 'user', id: 'bob' } } as const
      const token = await client.getToken('linear/tracker', ann)
      await client.revokeToken('linear/tracker', ann)
      expect(mock.isLive(token)).toBe(false)
      expect((await refusalOf(client.getToken('linear/tracker', ann))).code).toBe(
        'user_authorization_required',
      )
      const another = await client.getToken('linear/tracker', bob)
      mock.revoke('linear/tracker')
      expect(mock.isLive(another)).toBe(false)
      const again = client.getToken('linear/tracker', bob, { forceRefresh: true })
      expect((await refusalOf(again)).code).toBe('user_authorization_required')

      const began = await client.startAuthorization('linear/tracker', bob, { callbackUrl })
      const { code = '' } = mock.consent()
      await client.completeAuthorization({ ...pick(began), code, ...bob })
      expect(await client.getToken('linear/tracker', bob)).not.toBe(another)
    })

    it('is not what an installation needs a subject for', async () => {
      const { mock, client } = start()
      const began = await client.startInstallation('slack/mybot', {}, { callbackUrl })
      expect(began.connector).toMatchObject({ uid: 'slack/mybot', name: 'mybot', type: 'slack' })
      const { code = '' } = mock.consent()
      await client.completeAuthorization({ ...pick(began), code })
      expect(await client.getConnectorMetadata('slack/mybot')).toMatchObject({ uid: 'slack/mybot' })
      expect(await client.getConnectorMetadata(began.connector.id)).toMatchObject({ uid: 'slack/mybot' })
    })
  })

  describe('failures', () => {
    it('that pass are outlasted by the SDK', async () => {
      const failures = [{ code: 'rate_limited', retryAfterSeconds: 0, times: 1 }, 'network-error'] as const
      const { mock, client } = start({ failures: [failures[0], { code: failures[1], times: 1 }] })
      expect(await client.getToken('slack/mybot', app)).toMatch(/^mock-token-/)
      expect(mock.requests).toHaveLength(3)
    })

    it('are honoured for as long as Retry-After says', async () => {
      const { mock, client } = start({ failures: ['rate_limited'] })
      const answer = await fetch(`${mock.url}/v1/connect/token/slack`, { method: 'POST' })
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '1'])
      expect((await refusalOf(client.getToken('slack/mybot', app, { timeoutMs: 500 }))).code).toBe(
        'rate_limited',
      )
      expect(mock.requests).toHaveLength(2)
    })

    it.each(wireCodes)('%s arrives as itself, with the status of the protocol', async (code) => {
      const { mock, client } = start({ failures: [{ code, retryAfterSeconds: 60 }] })
      const { status, retryable } = errorCodes[code]
      const expected = { code, status, retryable, connector: 'slack/mybot' }
      expect(await refusalOf(client.getToken('slack/mybot', app))).toMatchObject(expected)
      expect(mock.requests).toHaveLength(1)
    })

    it('beneath the wire are what they would be of a broker', async () => {
      const { mock, client } = start()
      const codeOf = async (failure: 'hang' | 'garbage' | 'network-error') => {
        mock.fail(failure)
        return (await refusalOf(client.getToken('slack/mybot', app, { timeoutMs: 150 }))).code
      }
      expect(await codeOf('hang')).toBe('timeout')
      expect(await codeOf('garbage')).toBe('invalid_response')
      expect(await codeOf('network-error')).toBe('unavailable')
    })

    it('meet one connector where one is named, its consent too, until all is well again', async () => {
      const { mock, client } = start()
      const began = await client.startAuthorization('slack/a', ann, { callbackUrl })
      mock.fail({ code: 'conflict', connector: 'slack/a' })
      expect((await refusalOf(client.getToken('slack/a', app))).code).toBe('conflict')
      expect((await refusalOf(client.waitForAuthorization(pick(began)))).code).toBe('conflict')
      expect(await client.getToken('slack/b', app)).toMatch(/^mock-token-/)
      mock.fail()
      expect(await client.getToken('slack/a', app)).toMatch(/^mock-token-/)
    })
  })

  it('may stand under a path, and answers what it does not know itself', async () => {
    const { mock, client } = start({ url: 'http://127.0.0.1:4599/connect/' })
    expect(mock.url).toBe('http://127.0.0.1:4599/connect')
    expect(await client.getToken('slack/mybot', app)).toMatch(/^mock-token-/)
    for (const path of [
      '/',
      '/v1/connect/token',
      '/v1/connect/token/%',
      '/v1/connect/token/a/b/c',
      '/healthz',
    ]) {
      const answer = await fetch(`${mock.url}${path}`, { method: 'POST' })
      expect([path, answer.status]).toEqual([path, 404])
      expect(await answer.json()).toMatchObject({ error: { code: 'not_found' } })
    }
  })

  it('refuses an identity that is missing or has expired, before it looks at anything else', async () => {
    const clock = createClock()
    const { mock } = start({ now: clock.now })
    const codeWith = async (headers: Record<string, string>) => {
      const answer = await fetch(`${mock.url}/v1/connect/token/slack`, { method: 'POST', headers })
      return ((await answer.json()) as { error: { code: string } }).error.code
    }
    const authorization = `Bearer ${mock.environment.VALETKEY_ID_TOKEN}`
    expect(await codeWith({})).toBe('identity_invalid')
    expect(await codeWith({ authorization: 'Basic eDp5' })).toBe('identity_invalid')
    expect(await codeWith({ authorization })).toBe('invalid_request')
    expect(await codeWith({ authorization: 'Bearer an-access-token' })).toBe('invalid_request')
    clock.advance(20 * 365 * 86_400_000)
    expect(await codeWith({ authorization })).toBe('identity_expired')
  })
})

function pick({ request, verifier }: { readonly request: string; readonly verifier: string }) {
  return { request, verifier }
}
