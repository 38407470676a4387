import { expect, expectTypeOf, it } from 'vitest'
import { environment, errorOf, errorThrownBy, inAnHourSeconds, jwt } from '../test-support/fakes.ts'
import { startServer } from '../test-support/http-server.ts'
import { createSignInIn } from './create-sign-in.ts'
import * as signInModule from './index.ts'
import type { SignIn, SignInOptions } from './types.ts'

const url = 'https://broker.example'
const identity = jwt({ aud: url, exp: inAnHourSeconds })

interface Seen {
  readonly url: string
  readonly authorization: string | null
  readonly redirect: string | undefined
  readonly body: string
}

function gateway(answer: (url: string) => Response = () => Response.json({})) {
  const seen: Seen[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const headers = new Headers(init?.headers)
    seen.push({
      url: String(input),
      authorization: headers.get('authorization'),
      redirect: init?.redirect,
      body: String(init?.body ?? ''),
    })
    return answer(String(input))
  }
  return { seen, fetch }
}

function create(options: SignInOptions = {}, variables: Record<string, string> = {}): SignIn {
  const where = variables.VALETKEY_URL === undefined && variables.VERCEL === undefined ? { url } : {}
  return createSignInIn(environment(variables), 'oauth/login', { ...where, ...options })
}

const code = { code: 'code-1', redirectUri: 'https://app.example/cb', codeVerifier: 'v'.repeat(43) }

function answering(claims: object, token: object = {}) {
  return gateway((at) =>
    at.endsWith('/token')
      ? Response.json({
          access_token: 'gateway-token',
          token_type: 'Bearer',
          scope: 'openid email',
          id_token: 'x',
          ...token,
        })
      : Response.json(claims),
  )
}

it('exports exactly these values', () => {
  expect(Object.keys(signInModule).sort()).toEqual(['createSignIn', 'readPerson'])
})

it('has the gateway where the broker is', () => {
  expect(create({ url: `${url}/base/` })).toMatchObject({
    clientId: 'oauth/login',
    issuer: `${url}/base`,
    discoveryUrl: `${url}/base/.well-known/openid-configuration`,
    authorizationUrl: `${url}/base/oauth/authorize`,
    tokenUrl: `${url}/base/oauth/token`,
    userinfoUrl: `${url}/base/oauth/userinfo`,
    revocationUrl: `${url}/base/oauth/revoke`,
    jwksUrl: `${url}/base/oauth/jwks`,
  })
  expect(create({}, { VALETKEY_URL: 'http://localhost:4570' }).issuer).toBe('http://localhost:4570')
})

it('has that of Vercel Connect at its own address, without metadata', () => {
  const vercel = create({}, { VERCEL: '1' })
  expect(vercel.tokenUrl).toBe('https://connect.vercel.com/oauth/token')
  expect(vercel.issuer).toBe('https://connect.vercel.com')
  expect(vercel.discoveryUrl).toBeUndefined()
})

it.each([
  [{ url: 'http://broker.example' }, 'url must be an https address'],
  [{ fetch: 1 }, 'fetch must be a function'],
  [{ timeoutMs: 0 }, 'timeoutMs must be'],
  [{ identityToken: 'a', vercelToken: 'b' }, 'one option'],
  [{ scopes: [] }, 'Unknown key "scopes"'],
] as const)('refuses options at once: %j', (options, words) => {
  const error = errorThrownBy(() => create(options as never))
  expect(error.code).toBe('invalid_request')
  expect(error.message).toContain(words)
})

it('says that no issuing point is named', () => {
  expect(errorThrownBy(() => createSignInIn(environment({}), 'oauth/login', {})).code).toBe(
    'issuing_point_missing',
  )
})

it('authenticates by Basic with form-encoded halves at the token and revocation endpoint', async () => {
  const { fetch, seen } = gateway()
  const signIn = create({ fetch, identityToken: 'a+b:c d%'.replace(' ', '~') })
  await signIn.fetch(signIn.tokenUrl, { method: 'POST', body: 'a=b', headers: { accept: 'x/y' } })
  await signIn.fetch(new Request(signIn.revocationUrl, { method: 'POST', body: 'token=t' }))
  const expected = `Basic ${btoa('oauth%2Flogin:a%2Bb%3Ac%7Ed%25')}`
  expect(seen).toEqual([
    { url: signIn.tokenUrl, authorization: expected, redirect: 'manual', body: 'a=b' },
    { url: signIn.revocationUrl, authorization: expected, redirect: 'manual', body: 'token=t' },
  ])
})

it.each([
  `${url}/oauth/userinfo`,
  `${url}/.well-known/openid-configuration`,
  `${url}/oauth/token/`,
  `${url}/oauth/token?next=1`,
  'https://other.example/oauth/token',
])('sends no identity to %s', async (address) => {
  const { fetch, seen } = gateway()
  await create({ fetch, identityToken: identity }).fetch(address, {
    headers: { authorization: 'Bearer own' },
  })
  expect(seen[0]?.authorization).toBe('Bearer own')
})

it('obtains an identity for each request, with the issuing point as its audience', async () => {
  const { fetch, seen } = gateway()
  const asked: string[] = []
  const signIn = create({
    fetch,
    identityToken: ({ audience }) => {
      asked.push(audience)
      return `identity-${asked.length}`
    },
  })
  await signIn.fetch(signIn.tokenUrl)
  await signIn.fetch(signIn.tokenUrl)
  expect(asked).toEqual([url, url])
  expect(new Set(seen.map(({ authorization }) => authorization)).size).toBe(2)
})

it('takes the identity that the environment shows', async () => {
  const { fetch, seen } = gateway()
  const signIn = create({ fetch }, { VALETKEY_URL: url, VALETKEY_ID_TOKEN: identity })
  await signIn.fetch(signIn.tokenUrl)
  expect(seen[0]?.authorization).toBe(`Basic ${btoa(`oauth%2Flogin:${identity}`)}`)
})

it('sends no VALETKEY_* credential to Vercel Connect', async () => {
  const { fetch, seen } = gateway()
  const signIn = create({ fetch }, { VERCEL: '1', VALETKEY_ID_TOKEN: identity })
  expect((await errorOf(signIn.fetch(signIn.tokenUrl))).code).toBe('identity_unavailable')
  expect(seen).toEqual([])
})

it('sends nothing to the old issuing point once VALETKEY_URL names another', async () => {
  const { fetch, seen } = gateway()
  const variables = { VALETKEY_URL: url, VALETKEY_ID_TOKEN: 'vk_for_the_new_one' }
  const signIn = create({ fetch }, variables)
  variables.VALETKEY_URL = 'https://new.example'
  expect((await errorOf(signIn.redeem(code))).code).toBe('invalid_request')
  expect((await errorOf(signIn.fetch(signIn.tokenUrl))).code).toBe('invalid_request')
  expect(seen).toEqual([])
})

it.each([
  ['expired', jwt({ aud: url, exp: 1000 }), 'expired at'],
  ['meant for another', jwt({ aud: 'https://other.example', exp: inAnHourSeconds }), 'another audience'],
])('does not send an identity that is %s, and says so', async (_case, identityToken, words) => {
  const { fetch, seen } = gateway()
  const error = await errorOf(create({ fetch, identityToken }).redeem(code))
  expect(error.code).toBe('identity_unavailable')
  expect(error.message).toContain(words)
  expect(seen).toEqual([])
})

it('throws what the gateway says of an identity that it does not accept', async () => {
  const said = 'The identity has expired: obtain a new one'
  const { fetch } = gateway(() =>
    Response.json({ error: 'invalid_client', error_description: said }, { status: 401 }),
  )
  const signIn = create({ fetch, identityToken: identity })
  for (const attempt of [signIn.fetch(signIn.tokenUrl), signIn.redeem(code)]) {
    const error = await errorOf(attempt)
    expect(error.code).toBe('identity_invalid')
    expect(error.message).toBe(`The gateway answered 401 (invalid_client): ${said}`)
  }
})

it('repeats nothing that was sent, and no text that RFC 6749 does not allow', async () => {
  for (const said of [`not ${identity}`, `not ${code.code}`, `not ${code.codeVerifier}`, '<b>"quoted"</b>']) {
    const { fetch } = gateway(() =>
      Response.json({ error: 'invalid_grant', error_description: said }, { status: 400 }),
    )
    const error = await errorOf(create({ fetch, identityToken: identity }).redeem(code))
    expect(error.message).toBe('The gateway answered 400 (invalid_grant)')
    expect(error.code).toBe('invalid_request')
  }
})

it('returns other answers of the token endpoint as they came, read to the end', async () => {
  const answer = { error: 'invalid_grant' }
  const { fetch } = gateway(() =>
    Response.json(answer, { status: 400, headers: { 'content-encoding': 'gzip', 'content-length': '1' } }),
  )
  const signIn = create({ fetch, identityToken: identity })
  const response = await signIn.fetch(signIn.tokenUrl)
  expect(response.status).toBe(400)
  expect([...response.headers.keys()]).toEqual(['content-type'])
  expect(await response.json()).toEqual(answer)
})

it.each([
  ['a redirect', () => new Response(null, { status: 307, headers: { location: 'https://other.example/' } })],
  ['more than is read', () => new Response(new Uint8Array(300_000))],
])('does not take %s for an answer', async (_case, answer) => {
  const { fetch, seen } = gateway(answer)
  const signIn = create({ fetch, identityToken: identity })
  expect((await errorOf(signIn.fetch(signIn.tokenUrl))).code).toBe('invalid_response')
  expect((await errorOf(signIn.redeem(code))).code).toBe('invalid_response')
  expect(seen).toHaveLength(2)
})

it('does not follow a redirect with the identity on it', async () => {
  let reached = false
  const thief = await startServer((_request, response) => {
    reached = true
    response.end('{}')
  })
  const server = await startServer((_request, response) =>
    response.writeHead(307, { location: thief.url }).end(),
  )
  const signIn = create({ url: server.url, identityToken: 'secret' })
  expect((await errorOf(signIn.fetch(signIn.tokenUrl, { method: 'POST', redirect: 'follow' }))).code).toBe(
    'invalid_response',
  )
  expect(reached).toBe(false)
  await Promise.all([server.close(), thief.close()])
})

it('quotes neither the credential nor the code where nothing answers, and sends a code once', async () => {
  let calls = 0
  const fetch: typeof globalThis.fetch = async (_input, init) => {
    calls += 1
    throw new TypeError(
      `bad header ${new Headers(init?.headers).get('authorization')} ${String(init?.body)} ${identity}`,
    )
  }
  const error = await errorOf(create({ fetch, identityToken: identity }).redeem(code))
  expect(error).toMatchObject({ code: 'unavailable', message: 'No answer from broker.example' })
  expect(error.cause).toBeUndefined()
  expect(calls).toBe(1)
})

it('gives up after the time it was given', async () => {
  const fetch: typeof globalThis.fetch = (_input, init) =>
    new Promise((_resolve, reject) =>
      init?.signal?.addEventListener('abort', () => reject(new Error('gone'))),
    )
  const signIn = create({ fetch, identityToken: identity, timeoutMs: 20 })
  expect((await errorOf(signIn.redeem(code))).code).toBe('timeout')
  const controller = new AbortController()
  const waiting = errorOf(
    create({ fetch, identityToken: identity }).fetch(signIn.tokenUrl, { signal: controller.signal }),
  )
  controller.abort()
  expect((await waiting).code).toBe('aborted')
})

it('redeems a code and asks who it is, and gives no token out', async () => {
  const { fetch, seen } = answering({ sub: 'person-1', email: 'ann@example.com', email_verified: true })
  const signedIn = await create({ fetch, identityToken: identity }).redeem(code)
  expect(signedIn).toEqual({
    person: { sub: 'person-1', email: 'ann@example.com', emailVerified: true },
    scopes: ['openid', 'email'],
  })
  expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toEqual({
    grant_type: 'authorization_code',
    code: code.code,
    redirect_uri: code.redirectUri,
    code_verifier: code.codeVerifier,
  })
  expect(seen[1]).toMatchObject({ url: `${url}/oauth/userinfo`, authorization: 'Bearer gateway-token' })
})

it.each([
  ['names nobody', { email: 'ann@example.com' }, {}],
  ['holds no access token', { sub: 'a' }, { access_token: undefined }],
  ['holds a token of another type', { sub: 'a' }, { token_type: 'DPoP' }],
])('does not take an answer that %s', async (_case, claims, token) => {
  const { fetch } = answering(claims, token)
  expect((await errorOf(create({ fetch, identityToken: identity }).redeem(code))).code).toBe(
    'invalid_response',
  )
})

it.each(['code', 'redirectUri', 'codeVerifier'])('does not redeem without %s', async (name) => {
  const { fetch, seen } = gateway()
  const error = await errorOf(create({ fetch, identityToken: identity }).redeem({ ...code, [name]: '' }))
  expect(error.code).toBe('invalid_request')
  expect(error.message).toContain(name)
  expect(seen).toEqual([])
})

it('is a fetch, by its type', () => {
  expectTypeOf<SignIn['fetch']>().toEqualTypeOf<typeof globalThis.fetch>()
})
