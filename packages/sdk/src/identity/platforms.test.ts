import { afterEach, describe, expect, it, vi } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import {
  brokerUrl,
  environment,
  errorOf,
  fakeFetch,
  inAnHourSeconds,
  jwt,
  testContext,
  tokenResponse,
} from '../test-support/fakes.ts'
import { startServer } from '../test-support/http-server.ts'

const app = { subject: { type: 'app' } } as const
const vercelToken = jwt({ aud: 'https://vercel.com/acme', exp: inAnHourSeconds })
const contextSymbol = Symbol.for('@vercel/request-context')

afterEach(() => {
  vi.unstubAllGlobals()
  delete (globalThis as { [contextSymbol]?: unknown })[contextSymbol]
})

function onRequest(headers: Record<string, string>): void {
  ;(globalThis as { [contextSymbol]?: unknown })[contextSymbol] = { get: () => ({ headers }) }
}

describe('GitHub Actions', () => {
  const variables = {
    VALETKEY_URL: brokerUrl,
    GITHUB_ACTIONS: 'true',
    ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example/token?api-version=2',
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
  }
  const platform = (answer: (index: number) => Response) => {
    let minted = 0
    return fakeFetch((request) =>
      request.url.startsWith('https://actions.example')
        ? answer(minted++)
        : Response.json(tokenResponse({ token: `for ${request.headers.get('authorization')}` })),
    )
  }
  const goodToken = (serial = 0): string => jwt({ aud: brokerUrl, exp: inAnHourSeconds, serial })

  it('is asked with the issuing point as audience, once an exchange', async () => {
    const fetch = platform((index) => Response.json({ value: goodToken(index) }))
    const context = testContext({ fetch }, variables)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe(`for Bearer ${goodToken(0)}`)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe(`for Bearer ${goodToken(0)}`)
    expect(await getTokenIn(context, 'd', app, undefined)).toBe(`for Bearer ${goodToken(1)}`)
    const [asked] = fetch.seen
    expect(asked?.url).toBe(
      'https://actions.example/token?api-version=2&audience=https%3A%2F%2Fbroker.example',
    )
    expect(asked?.headers.get('authorization')).toBe('Bearer request-token')
    expect(fetch.seen).toHaveLength(4)
  })

  it.each([
    [
      'another audience',
      () => Response.json({ value: jwt({ aud: 'https://github.com/acme', exp: inAnHourSeconds }) }),
    ],
    ['two audiences', () => Response.json({ value: jwt({ aud: [brokerUrl, 'x'], exp: inAnHourSeconds }) })],
    ['no expiry', () => Response.json({ value: jwt({ aud: brokerUrl }) })],
    ['a past expiry', () => Response.json({ value: jwt({ aud: brokerUrl, exp: 1 }) })],
    ['no value', () => Response.json({ token: goodToken() })],
    ['an opaque value', () => Response.json({ value: 'opaque' })],
    ['no JSON', () => new Response('<html>')],
    ['403', () => new Response('', { status: 403 })],
    ['a redirect', () => new Response('', { status: 302, headers: { location: 'https://evil.example' } })],
  ])('that answers with %s stops with its reason, and nothing is sent', async (_what, answer) => {
    const fetch = platform(answer)
    const error = await errorOf(
      getTokenIn(testContext({ fetch }, { ...variables, VALETKEY_ACCESS_TOKEN: 'x' }), 'c', app, undefined),
    )
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain('GitHub Actions')
    expect(fetch.seen).toHaveLength(1)
  })

  it('is asked again after a fault that passes', async () => {
    const fetch = platform((index) =>
      index === 0 ? new Response('', { status: 503 }) : Response.json({ value: goodToken() }),
    )
    await getTokenIn(testContext({ fetch }, variables), 'c', app, undefined)
    expect(fetch.seen).toHaveLength(3)
  })

  it('is not asked over plain http, except on loopback', async () => {
    const server = await startServer((_request, response) =>
      response.end(JSON.stringify({ value: goodToken() })),
    )
    const fetch = fakeFetch(async (request) =>
      request.url.startsWith(server.url) ? globalThis.fetch(request.url) : Response.json(tokenResponse()),
    )
    const local = { ...variables, ACTIONS_ID_TOKEN_REQUEST_URL: server.url }
    await getTokenIn(testContext({ fetch }, local), 'c', app, undefined)
    await server.close()
    for (const url of ['http://actions.example', 'not a url']) {
      const remote = { ...variables, ACTIONS_ID_TOKEN_REQUEST_URL: url }
      expect((await errorOf(getTokenIn(testContext({ fetch }, remote), 'c', app, undefined))).code).toBe(
        'identity_unavailable',
      )
    }
  })

  it('gives another identity, once, when the issuing point calls one expired', async () => {
    let minted = 0
    const refusals: (string | null)[] = []
    const fetch = fakeFetch((request) => {
      if (request.url.startsWith('https://actions.example'))
        return Response.json({ value: goodToken(minted++) })
      refusals.push(request.headers.get('authorization'))
      return Response.json({ error: { code: 'identity_expired' } }, { status: 401 })
    })
    const error = await errorOf(getTokenIn(testContext({ fetch }, variables), 'c', app, undefined))
    expect(error.code).toBe('identity_expired')
    expect(refusals).toEqual([`Bearer ${goodToken(0)}`, `Bearer ${goodToken(1)}`])
    const given = fakeFetch(() => Response.json({ error: { code: 'identity_expired' } }, { status: 401 }))
    await errorOf(getTokenIn(testContext({ fetch: given, identity: 'me' }), 'c', app, undefined))
    expect(given.seen).toHaveLength(1)
  })
})

describe('Vercel', () => {
  it('has its token sent as it is to Vercel Connect, which is told to take every scope', async () => {
    const fetch = fakeFetch(() => Response.json(tokenResponse({ tokenId: 'stk_1' })))
    const { createContext } = await import('../client/create-context.ts')
    const context = createContext(
      { fetch },
      environment({ VERCEL: '1', VERCEL_OIDC_TOKEN: vercelToken, VALETKEY_ID_TOKEN: 'never' }),
    )
    await getTokenIn(context, 'slack/mybot', app, { context: { toolCallId: 'call_1' } })
    await getTokenIn(
      context,
      'slack/mybot',
      { ...app, scopes: ['a'], validityBufferMs: 5 },
      { region: 'sfo1' },
    )
    expect(fetch.seen.map(({ url, body }) => [url, body])).toEqual([
      ['https://api.vercel.com/v1/connect/token/slack%2Fmybot', { ...app, scopes: ['*'] }],
      [
        'https://api-sfo1.vercel.com/v1/connect/token/slack%2Fmybot',
        { ...app, scopes: ['a'], validityBufferMs: 5 },
      ],
    ])
    expect(fetch.seen[0]?.headers.get('authorization')).toBe(`Bearer ${vercelToken}`)
  })

  it('goes to the region of the environment, if it is one', async () => {
    const fetch = fakeFetch(() => Response.json(tokenResponse()))
    const { createContext } = await import('../client/create-context.ts')
    const variables = { VERCEL_OIDC_TOKEN: vercelToken, VERCEL_REGION: 'iad1' }
    await getTokenIn(createContext({ fetch }, environment(variables)), 'c', app, undefined)
    expect(fetch.seen[0]?.url).toBe('https://api-iad1.vercel.com/v1/connect/token/c')
    const hostile = createContext({ fetch }, environment({ ...variables, VERCEL_REGION: 'x.evil.example/' }))
    expect((await errorOf(getTokenIn(hostile, 'c', app, undefined))).code).toBe('invalid_request')
    expect(fetch.seen).toHaveLength(1)
  })

  it('exchanges its token for one with the audience of any other issuing point', async () => {
    const minted = jwt({ aud: brokerUrl, exp: inAnHourSeconds })
    const fetch = fakeFetch((request) =>
      request.url === 'https://oidc.vercel.com/~token'
        ? Response.json({ token: minted, expiry: inAnHourSeconds })
        : Response.json(tokenResponse()),
    )
    const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, VERCEL_OIDC_TOKEN: vercelToken })
    await getTokenIn(context, 'c', app, undefined)
    expect(fetch.seen.map(({ url, body }) => [url, body])).toEqual([
      ['https://oidc.vercel.com/~token', { token: vercelToken, aud: brokerUrl }],
      [`${brokerUrl}/v1/connect/token/c`, app],
    ])
    expect(fetch.seen[0]?.headers.get('authorization')).toBeNull()
    expect(fetch.seen[1]?.headers.get('authorization')).toBe(`Bearer ${minted}`)
  })

  it('S14 whose exchange brings another audience, or whose variable holds a foreign token, sends nothing', async () => {
    const fetch = fakeFetch(() => Response.json({ token: vercelToken }))
    for (const token of [vercelToken, jwt({ aud: 'sts.amazonaws.com', exp: inAnHourSeconds })]) {
      const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, VERCEL_OIDC_TOKEN: token })
      expect((await errorOf(getTokenIn(context, 'c', app, undefined))).code).toBe('identity_unavailable')
    }
    expect(fetch.seen.map((request) => request.url)).toEqual(['https://oidc.vercel.com/~token'])
  })

  it('S14 a platform that gives an identity for another name sends nothing on', async () => {
    const fetch = fakeFetch(() =>
      Response.json({ token: jwt({ aud: 'another-name', exp: inAnHourSeconds }) }),
    )
    const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, VERCEL_OIDC_TOKEN: vercelToken })
    expect((await errorOf(getTokenIn(context, 'c', app, undefined))).code).toBe('identity_unavailable')
    expect(fetch.seen).toHaveLength(1)
  })

  it('takes the token of the request or of the variable, whichever lives longer, and partitions by it', async () => {
    const fetch = fakeFetch((request) =>
      Response.json(tokenResponse({ token: `for ${request.headers.get('authorization')}` })),
    )
    const { createContext } = await import('../client/create-context.ts')
    const variables: Record<string, string> = { VERCEL_OIDC_TOKEN: vercelToken }
    const context = createContext({ fetch }, environment(variables))
    const later = jwt({ aud: 'https://vercel.com/acme', exp: inAnHourSeconds + 60 })
    const earlier = jwt({ aud: 'https://vercel.com/acme', exp: inAnHourSeconds - 60 })
    onRequest({ 'x-vercel-oidc-token': later })
    expect(await getTokenIn(context, 'c', app, undefined)).toBe(`for Bearer ${later}`)
    onRequest({ 'x-vercel-oidc-token': earlier })
    expect(await getTokenIn(context, 'c', app, undefined)).toBe(`for Bearer ${vercelToken}`)
    delete variables.VERCEL_OIDC_TOKEN
    expect(await getTokenIn(context, 'c', app, undefined)).toBe(`for Bearer ${earlier}`)
  })
})

it('nothing says which issuing point to ask: the error says how to start one', async () => {
  const { createContext } = await import('../client/create-context.ts')
  const error = await errorOf(getTokenIn(createContext({}, environment({})), 'c', app, undefined))
  expect(error.code).toBe('issuing_point_missing')
  expect(error.message).toContain('npx valetkey dev')
})
