import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import {
  type ConsentApp,
  connectorData,
  createConsentApp,
  parametersOf,
  returnUrl,
  user,
} from './support/consent.ts'
import { sendJson, startLoopbackServer } from './support/http.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'

const clock = createClock()
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
let app: ConsentApp

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  broker = await startBroker({ clock })
  app = await createConsentApp(broker, issuer, provider, { name: 'app' })
})
afterAll(async () => {
  await broker.close()
  await provider.close()
  await issuer.close()
})

/** How many codes were sent to the provider's token endpoint. */
const redemptions = () => provider.requests.filter(({ path }) => path === '/token').length

/** Begins, and goes to the provider with a browser of its own. */
async function leaving(how: Readonly<Record<string, unknown>> = { returnUrl }) {
  const began = await app.begin('ann', how)
  const browser = createBrowser(broker)
  return { began, browser, at: await browser.leave(began.url) }
}

/** What the app is told in its return URL, beside what it had put there. */
const told = (to: string | undefined) => {
  expect(to?.startsWith(`${returnUrl}&`)).toBe(true)
  const { tab, request: _, ...rest } = parametersOf(to)
  expect(tab).toBe('2')
  return rest
}

/** Addresses to which no browser may be sent. */
const hostile: readonly (readonly [string, string])[] = [
  ['javascript', 'javascript:alert(1)'],
  ['javascript, in disguise', 'JaVaScRiPt:alert(1)//https://app.example/'],
  ['data', 'data:text/html,<script>alert(1)</script>'],
  ['a tab in the scheme', 'java\tscript:alert(1)'],
  ['a line feed', 'https://app.example/\nback'],
  ['a carriage return and a header', 'https://app.example/\r\nset-cookie: a=b'],
  ['a tab', 'https://app.example/\tback'],
  ['a NUL', 'https://app.example/\0back'],
  ['a space before it', ' https://app.example/back'],
  ['user info', 'https://app.example@evil.example/back'],
  ['empty user info', 'https://@evil.example/back'],
  ['user info with a password', 'https://app.example:443@evil.example/back'],
  ['a backslash', 'https://evil.example\\@app.example/back'],
  ['backslashes for slashes', 'https:\\\\evil.example/back'],
  ['a fragment', 'https://app.example/back#here'],
  ['an empty fragment', 'https://app.example/back#'],
  ['no scheme', '//evil.example/back'],
  ['no host', 'https:///back'],
  ['one slash', 'https:/evil.example/back'],
  ['a path alone', '/back'],
  ['http elsewhere than on loopback', 'http://app.example/back'],
  ['a host that only begins like loopback', 'http://127.0.0.1.evil.example/back'],
  ['another host that only begins like loopback', 'http://localhost.evil.example/back'],
  ['another scheme', 'ftp://app.example/back'],
  ['a file', 'file:///etc/passwd'],
]

describe('S05 a browser is sent to the address of its own request, and pages show what is said as text', () => {
  it.each(hostile)('S05 no request begins whose return URL has %s', async (_what, hostileUrl) => {
    const path = `/v1/connect/authorize/${encodeURIComponent(app.connector)}`
    const answer = await app.call('POST', path, {
      subject: user('ann'),
      binding: 'complete',
      returnUrl: hostileUrl,
    })
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(answer.message).toMatch(/returnUrl|U\+0000/)
    // The SDK does not even ask.
    const begin = app.client.startAuthorization(
      app.connector,
      { subject: user('ann') },
      { callbackUrl: hostileUrl },
    )
    await expect(begin).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it.each(hostile)('S05 no redirect URI is registered that has %s', async (_what, hostileUrl) => {
    const path = `/v1/connect/connectors/${encodeURIComponent(app.connector)}/projects/${app.project}`
    const body = { environments: ['hostile'], merge: true, redirectUris: [hostileUrl] }
    expect(await broker.call('POST', path, { token: broker.owner, body })).toMatchObject({ status: 400 })
  })

  it.each(['request', 'code', 'error'])(
    'S05 no return URL brings its own %s along, of which a reader could take the wrong one',
    async (name) => {
      const path = `/v1/connect/authorize/${encodeURIComponent(app.connector)}`
      const body = { subject: user('ann'), binding: 'complete', returnUrl: `https://app.example/?${name}=1` }
      expect(await app.call('POST', path, body)).toMatchObject({ status: 400, code: 'invalid_request' })
    },
  )

  it.each([
    'https://app.example',
    'https://app.example/back',
    'https://app.example/back?',
    'https://app.example/back?a=1&b=%20x',
    'https://APP.example/back',
    'http://127.0.0.1:3000/back',
    'http://localhost:3000/back?a',
  ])('S05 the browser comes back to %s exactly as it was given', async (given) => {
    const { began, browser, at } = await leaving({ returnUrl: given })
    const more = '&returnUrl=https://evil.example&redirect_uri=https://evil.example&request=ask_x'
    const back = await browser.open(provider.agree(at, 'ann') + more)
    expect(back.status).toBe(303)
    expect(back.to?.startsWith(given)).toBe(true)
    const rest = back.to?.slice(given.length) ?? ''
    expect(rest).toMatch(new RegExp(`^[?&]?request=${began.request}&code=[\\w-]{43}$`))
    expect(back.headers.get('referrer-policy')).toBe('no-referrer')
  })

  it('S05 nothing of what a provider says about an error is shown, not even escaped', async () => {
    const { browser, at } = await leaving({})
    const words = '<script>alert(1)</script>'
    const changes = {
      code: undefined,
      error: 'server_error',
      error_description: words,
      error_uri: `javascript:${words}`,
    }
    const shown = await browser.open(provider.agree(at, 'ann', changes))
    expect(shown.status).toBe(400)
    expect(shown.html).not.toContain('alert(1)')
    const { browser: second, at: again } = await leaving()
    const back = await second.open(provider.agree(again, 'ann', { ...changes, error: words }))
    expect(told(back.to)).toEqual({ error: 'provider_refused' })
  })

  it('S05 whatever an app says about a user or a scope is text on the page, and scripts are forbidden there', async () => {
    const evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    const began = await app.begin(evil, {
      returnUrl,
      resources: [`https://api.example/${encodeURIComponent(evil)}`],
    })
    const { html, headers } = await createBrowser(broker).open(began.url)
    expect(html).not.toMatch(/<script|<img/i)
    expect(html).toContain('&lt;script&gt;')
    const policy = headers.get('content-security-policy') ?? ''
    for (const part of [
      "default-src 'none'",
      "frame-ancestors 'none'",
      "form-action 'self'",
      "base-uri 'none'",
    ])
      expect(policy).toContain(part)
    expect(policy).not.toContain('unsafe')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cache-control')).toContain('no-store')
  })

  it('S05 an authorization endpoint that is no web address is not taken into a connector', async () => {
    for (const endpoint of hostile.slice(0, 3).map(([, url]) => url)) {
      const data = {
        clientId: 'c',
        serverConfig: { authorizationEndpoint: endpoint, tokenEndpoint: `${provider.url}/token` },
      }
      const body = { service: 'oauth', name: 'hostile', data }
      expect(
        await broker.call('POST', '/v1/connect/connectors', { token: broker.owner, body }),
      ).toMatchObject({
        status: 400,
      })
    }
  })
})

describe('S06 PKCE always, and an answer that contradicts itself issues nothing', () => {
  it('S06 every consent is asked for with a challenge of its own, by S256, and redeemed with its verifier', async () => {
    const both = [await leaving(), await leaving()]
    const challenges = both.map(({ at }) => parametersOf(at).code_challenge)
    expect(new Set(challenges).size).toBe(2)
    for (const { at, browser } of both) {
      expect(parametersOf(at)).toMatchObject({ code_challenge_method: 'S256' })
      expect(parametersOf(at).code_challenge).toMatch(/^[\w-]{43}$/)
      // The server checks that the verifier is the one behind the challenge.
      expect((await browser.open(provider.agree(at, 'ann'))).to).toContain('code=')
    }
    const verifiers = provider.requests.flatMap(({ form }) => form.get('code_verifier') ?? [])
    expect(new Set(verifiers).size).toBe(verifiers.length)
  })

  it('S06 a server that takes no S256 becomes no connector', async () => {
    const weak = await startLoopbackServer((_request, response) =>
      sendJson(response, {
        issuer: weak.url,
        authorization_endpoint: `${weak.url}/authorize`,
        token_endpoint: `${weak.url}/token`,
        code_challenge_methods_supported: ['plain'],
      }),
    )
    const body = { service: 'oauth', name: 'weak', data: { ...connectorData(provider), serverUrl: weak.url } }
    const answer = await broker.call('POST', '/v1/connect/connectors', { token: broker.owner, body })
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(answer.message).toContain('S256')
    await weak.close()
  })

  it.each([
    'code_challenge',
    'code_challenge_method',
    'Code_Challenge',
    ' code_challenge',
    'state',
    'redirect_uri',
    'response_type',
    'response_mode',
    'client_id',
    'request',
    'request_uri',
    'scope',
    'nonce',
  ])('S06 no caller sets %s for the provider', async (name) => {
    const path = `/v1/connect/authorize/${encodeURIComponent(app.connector)}`
    const body = { subject: user('ann'), binding: 'complete', additionalParams: { [name]: 'x' } }
    expect(await app.call('POST', path, body)).toMatchObject({ status: 400, code: 'invalid_request' })
  })

  it.each<[string, Record<string, string | undefined>, string]>([
    ['both an error and a code', { error: 'server_error' }, 'error'],
    ['a code and the error that the person said no', { error: 'access_denied' }, 'error'],
    ['an error alone', { code: undefined, error: 'temporarily_unavailable' }, 'error'],
    ['the person’s no', { code: undefined, error: 'access_denied' }, 'denied'],
    ['neither', { code: undefined }, 'error'],
    ['an empty code', { code: '' }, 'error'],
  ])('S06 an answer with %s leads to no grant, and to no call', async (_what, changes, status) => {
    const { began, browser, at } = await leaving()
    const before = redemptions()
    const back = await browser.open(provider.agree(at, 'ann', changes))
    expect(Object.keys(told(back.to))).toEqual(['error'])
    expect(redemptions()).toBe(before)
    expect(await app.status(began)).toBe(status)
    expect((await app.complete(began, 'x', user('ann'))).status).toBe(409)
  })

  it('S06 an answer with two codes leads to no grant', async () => {
    const { began, browser, at } = await leaving()
    const before = redemptions()
    const back = await browser.open(`${provider.agree(at, 'ann')}&code=another`)
    expect(told(back.to)).toEqual({ error: 'provider_refused' })
    expect(redemptions()).toBe(before)
    expect(await app.status(began)).toBe('error')
  })
})
