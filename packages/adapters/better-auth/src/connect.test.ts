import { isConnectError } from '@valetkey/sdk'
import { type GenericOAuthConfig, genericOAuth } from 'better-auth/plugins/generic-oauth'
import { afterEach, expect, expectTypeOf, it, vi } from 'vitest'
import { connect } from './index.ts'

const url = 'https://broker.example'

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A gateway that knows one person, by these claims. */
function gateway(claims: object) {
  const seen: { readonly url: string; readonly authorization: string | null; readonly body: string }[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const authorization = new Headers(init?.headers).get('authorization')
    seen.push({ url: String(input), authorization, body: String(init?.body ?? '') })
    if (!String(input).endsWith('/token')) return Response.json(claims)
    return Response.json({
      access_token: 'at',
      id_token: 'it',
      refresh_token: 'rt',
      token_type: 'Bearer',
      scope: 'openid',
    })
  }
  return { fetch, seen }
}

const callback = { code: 'code-1', redirectURI: 'https://app.example/cb', codeVerifier: 'v'.repeat(43) }

it('is a provider of Better Auth, by its own type', () => {
  const config = connect({ providerId: 'login', connector: 'oauth/login', url })
  expectTypeOf(config).toEqualTypeOf<GenericOAuthConfig<'login'>>()
  expectTypeOf(genericOAuth({ config: [config] }).id).toEqualTypeOf<'generic-oauth'>()
  expect(config).toMatchObject({
    providerId: 'login',
    clientId: 'oauth/login',
    scopes: ['openid', 'profile', 'email'],
    pkce: true,
    discoveryUrl: `${url}/.well-known/openid-configuration`,
  })
  expect(Object.keys(config)).not.toContain('clientSecret')
})

it('asks Vercel Connect at its own address, with the token of the deployment', async () => {
  vi.stubEnv('VALETKEY_URL', undefined)
  vi.stubEnv('VERCEL', '1')
  vi.stubEnv('VERCEL_OIDC_TOKEN', 'token-of-the-deployment')
  const { fetch, seen } = gateway({ sub: 'person-1' })
  const config = connect({ providerId: 'login', connector: 'oauth/login', scopes: ['openid'], fetch })
  expect(config).toMatchObject({
    authorizationUrl: 'https://connect.vercel.com/oauth/authorize',
    scopes: ['openid'],
  })
  expect(config.discoveryUrl).toBeUndefined()
  await config.getToken?.(callback)
  expect(seen.map((request) => request.url)).toEqual([
    'https://connect.vercel.com/oauth/token',
    'https://connect.vercel.com/oauth/userinfo',
  ])
  expect(seen[0]?.authorization).toBe(`Basic ${btoa('oauth%2Flogin:token-of-the-deployment')}`)
})

it('hands over no token, whatever the gateway gave', async () => {
  const { fetch } = gateway({ sub: 'person-1', email: 'ann@example.com', email_verified: true })
  const config = connect({ providerId: 'login', connector: 'oauth/login', url, identityToken: 'me', fetch })
  const tokens = await config.getToken?.(callback)
  expect(JSON.stringify(tokens)).toBe('{"scopes":["openid"],"raw":{}}')
  expect(await config.getUserInfo?.(tokens ?? {})).toEqual({
    sub: 'person-1',
    email: 'ann@example.com',
    emailVerified: true,
  })
})

it.each([undefined, false, 'true'])('calls an address unproven with email_verified %j', async (said) => {
  const { fetch } = gateway({ sub: 'person-1', email: 'ann@example.com', email_verified: said })
  const config = connect({ providerId: 'login', connector: 'oauth/login', url, identityToken: 'me', fetch })
  const info = await config.getUserInfo?.((await config.getToken?.(callback)) ?? {})
  expect(info?.emailVerified).toBe(false)
})

it('knows nobody by tokens that came another way', async () => {
  const config = connect({ providerId: 'login', connector: 'oauth/login', url })
  const person = { sub: 'person-1', email: 'ann@example.com', emailVerified: true }
  for (const tokens of [
    {},
    { idToken: 'a.b.c', accessToken: 'at' },
    { raw: person },
    { raw: { redeemed: person } },
  ])
    expect(await config.getUserInfo?.(tokens)).toBeNull()
})

it('redeems nothing without the verifier of PKCE', async () => {
  const { fetch, seen } = gateway({ sub: 'person-1' })
  const config = connect({ providerId: 'login', connector: 'oauth/login', url, identityToken: 'me', fetch })
  const { codeVerifier, ...without } = callback
  await expect(config.getToken?.(without)).rejects.toThrow('codeVerifier')
  expect(codeVerifier).toMatch(/v/)
  expect(seen).toEqual([])
})

it('refuses options that nobody reads, at once', () => {
  const options = { providerId: 'login', connector: 'oauth/login', url, clientSecret: 'secret' }
  expect(() => connect(options)).toThrow('Unknown key "clientSecret" in options')
  try {
    connect({ providerId: 'login', connector: '', url })
    expect.unreachable()
  } catch (error) {
    expect(isConnectError(error) && error.code).toBe('invalid_request')
  }
})
