import { Auth, type AuthConfig } from '@auth/core'
import type { Provider } from '@auth/core/providers'
import { afterEach, expect, expectTypeOf, it, vi } from 'vitest'
import { type ConnectOptions, connect } from './index.ts'

const url = 'https://broker.example'
const origin = 'https://app.example'

afterEach(() => {
  vi.unstubAllEnvs()
})

function configOf(options: Partial<ConnectOptions>): AuthConfig {
  return {
    secret: 'a-secret-of-the-test-that-is-long-enough',
    trustHost: true,
    basePath: '/auth',
    logger: { error: () => {}, warn: () => {}, debug: () => {} },
    providers: [connect({ id: 'login', name: 'the broker', connector: 'oauth/login', ...options })],
    callbacks: {
      jwt: ({ token, account }) => (account ? { ...token, account } : token),
      session: ({ session, token }) => ({ ...session, account: token.account }),
    },
  }
}

function cookiesOf(...responses: readonly Response[]): string {
  return responses
    .flatMap((response) => response.headers.getSetCookie())
    .map((line) => line.split(';')[0])
    .join('; ')
}

/** Presses the button of Auth.js's page. */
async function begin(config: AuthConfig): Promise<{ readonly location: URL; readonly cookie: string }> {
  const csrf = await Auth(new Request(`${origin}/auth/csrf`), config)
  const { csrfToken } = (await csrf.clone().json()) as { csrfToken: string }
  const begun = await Auth(
    new Request(`${origin}/auth/signin/login`, {
      method: 'POST',
      headers: { cookie: cookiesOf(csrf), 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ csrfToken, callbackUrl: origin }),
    }),
    config,
  )
  return { location: new URL(begun.headers.get('location') ?? ''), cookie: cookiesOf(csrf, begun) }
}

it('is a provider of Auth.js, by its own type', () => {
  const provider = connect({ id: 'login', name: 'the broker', connector: 'oauth/login', url })
  expectTypeOf(provider).toExtend<Provider>()
  expect(provider).toMatchObject({
    type: 'oidc',
    issuer: url,
    clientId: 'oauth/login',
    checks: ['pkce', 'state', 'nonce'],
  })
  expect(Object.keys(provider)).not.toContain('clientSecret')
  expect(Object.keys(provider)).not.toContain('allowDangerousEmailAccountLinking')
  expect(provider.account?.({ access_token: 'at', id_token: 'it', refresh_token: 'rt' })).toEqual({})
})

it.each([
  [{ email_verified: true }, 'ann@example.com'],
  [{ email_verified: false }, null],
  [{}, null],
])('with %j takes the address to be %j', async (said, email) => {
  const provider = connect({ id: 'login', name: 'the broker', connector: 'oauth/login', url })
  const user = await provider.profile?.({ sub: 'person-1', email: 'ann@example.com', ...said }, {})
  expect(user).toEqual({ id: 'person-1', name: null, email, image: null })
})

it('signs in through Vercel Connect at its own address, with the token of the deployment', async () => {
  vi.stubEnv('VALETKEY_URL', undefined)
  vi.stubEnv('VERCEL', '1')
  vi.stubEnv('VERCEL_OIDC_TOKEN', 'token-of-the-deployment')
  const seen: string[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    seen.push(`${String(input)} ${new Headers(init?.headers).get('authorization')}`)
    return String(input).endsWith('/token')
      ? Response.json({ access_token: 'gateway-token', token_type: 'Bearer' })
      : Response.json({ sub: 'person-1', email: 'ann@example.com', name: 'Ann' })
  }
  const config = configOf({ fetch, scopes: ['openid'] })
  const { location, cookie } = await begin(config)
  expect(location.href).toMatch(/^https:\/\/connect\.vercel\.com\/oauth\/authorize\?/)
  expect(Object.fromEntries(location.searchParams)).toMatchObject({
    client_id: 'oauth/login',
    scope: 'openid',
    redirect_uri: `${origin}/auth/callback/login`,
    code_challenge_method: 'S256',
    state: expect.stringMatching(/\S/),
  })
  const query = new URLSearchParams({ code: 'code-1', state: location.searchParams.get('state') ?? '' })
  const back = await Auth(
    new Request(`${origin}/auth/callback/login?${query}`, { headers: { cookie } }),
    config,
  )
  expect(back.headers.get('location')).toBe(origin)
  expect(seen).toEqual([
    `https://connect.vercel.com/oauth/token Basic ${btoa('oauth%2Flogin:token-of-the-deployment')}`,
    'https://connect.vercel.com/oauth/userinfo Bearer gateway-token',
  ])
  const session = await Auth(
    new Request(`${origin}/auth/session`, { headers: { cookie: cookiesOf(back) } }),
    config,
  )
  expect(await session.json()).toMatchObject({
    user: { name: 'Ann' },
    account: { provider: 'login', providerAccountId: 'person-1' },
  })
})

it('refuses options that nobody reads, at once', () => {
  expect(() => configOf({ url, clientSecret: 'secret' } as never)).toThrow(
    'Unknown key "clientSecret" in options',
  )
})
