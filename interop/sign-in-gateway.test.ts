import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from '@valetkey/sdk'
import { decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import * as client from 'openid-client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startDevelopment, type TestBroker } from './support/broker.ts'
import { attach, createConnector, createWorkload, developmentIdentity } from './support/operator.ts'

const redirectUri = 'https://app.example/auth/callback'
const upstreamSecret = 'a-secret-of-the-test'

/** A certified OpenID Provider upstream, unchanged, on loopback; it logs everyone in as the same person. */
async function startUpstream() {
  let handle: RequestListener = (_, response) => response.writeHead(503).end()
  const server = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'es-1', use: 'sig', alg: 'ES256' }

  /** The connector's id, which is in the callback's path, exists only once the provider has been looked at. */
  function register(callback: string): void {
    const provider = new Provider(issuer, {
      jwks: { keys: [jwk] },
      clients: [
        {
          client_id: 'broker',
          client_secret: upstreamSecret,
          redirect_uris: [callback],
          id_token_signed_response_alg: 'ES256',
        },
      ],
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'picture'] },
      conformIdTokenClaims: false,
      cookies: { keys: ['cookie-key-of-the-test'] },
      ttl: {
        AccessToken: 3600,
        AuthorizationCode: 60,
        Grant: 3600,
        IdToken: 300,
        Interaction: 300,
        Session: 300,
      },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      findAccount: (_, accountId) => ({
        accountId,
        claims: () => ({
          sub: accountId,
          email: 'ada@example.com',
          email_verified: true,
          name: 'Ada',
          picture: 'https://pictures.example/ada.png',
        }),
      }),
      loadExistingGrant: async (context) => {
        const grant = new context.oidc.provider.Grant({
          clientId: context.oidc.client?.clientId ?? '',
          accountId: context.oidc.account?.accountId ?? '',
        })
        grant.addOIDCScope('openid email profile')
        await grant.save()
        return grant
      },
    })
    const callbackOf = provider.callback()
    handle = (request, response) => {
      if (request.url?.startsWith('/interaction/') !== true) return callbackOf(request, response)
      return provider
        .interactionFinished(request, response, { login: { accountId: 'person-1' } })
        .catch(() => response.destroy())
    }
  }
  register('https://broker.example/')
  return {
    issuer,
    register,
    close() {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Goes where a person's browser would go, continuing on the consent page, until it is sent to the app. */
async function browse(start: URL, action: 'continue' | 'cancel' = 'continue'): Promise<URL> {
  const cookies = new Map<string, Map<string, string>>()
  let url = start
  let form: URLSearchParams | undefined
  for (let step = 0; step < 12; step += 1) {
    if (url.href.startsWith(redirectUri)) return url
    const jar = cookies.get(url.origin) ?? new Map<string, string>()
    cookies.set(url.origin, jar)
    const cookie = [...jar].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(url, {
      redirect: 'manual',
      headers: {
        cookie,
        'sec-fetch-mode': 'navigate',
        ...(form === undefined ? {} : { origin: url.origin }),
      },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    form = undefined
    const html = await response.text()
    const location = response.headers.get('location')
    const link = /<a class="button primary" href="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&')
    const token = /name="token" value="([^"]+)"/.exec(html)?.[1]
    if (location !== null) url = new URL(location, url)
    else if (link !== undefined) url = new URL(link)
    else if (token !== undefined) form = new URLSearchParams({ token, action })
    else throw new Error(`A page without a way on, status ${response.status}`)
  }
  throw new Error('The sign-in did not come to an end')
}

describe('openid-client signs a person in through the gateway', () => {
  let broker: TestBroker
  let upstream: Awaited<ReturnType<typeof startUpstream>>
  let identity: string
  let signIn: Awaited<ReturnType<typeof begin>>

  async function begin(clientId = 'oauth/login', workloadIdentity = identity) {
    const issuer = new URL(broker.url)
    // #region sign-in
    const config = await client.discovery(
      issuer,
      clientId,
      {},
      // It expires: a fresh one for each sign-in.
      client.ClientSecretBasic(workloadIdentity),
      {
        // For a broker on http, as `valetkey dev` is.
        execute: [client.allowInsecureRequests],
      },
    )
    const verifier = client.randomPKCECodeVerifier()
    const [state, nonce] = [client.randomState(), client.randomNonce()]
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid profile email',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    })
    // Keep verifier, state and nonce in the session, send the browser to `url`, and when it is back:
    const finish = async (callback: URL) => {
      const tokens = await client.authorizationCodeGrant(config, callback, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
      })
      return { tokens, person: tokens.claims() }
    }
    // #endregion
    client.enableNonRepudiationChecks(config)
    return { config, url, finish }
  }

  beforeAll(async () => {
    ;[broker, upstream] = await Promise.all([startDevelopment(), startUpstream()])
    identity = await createWorkload(broker.owner, 'agent')
    const id = await createConnector(broker.owner, 'oauth', 'login', {
      serverUrl: upstream.issuer,
      clientId: 'broker',
      clientSecret: upstreamSecret,
      userAuthorization: { enabled: true, scopes: ['openid', 'email', 'profile'] },
    })
    upstream.register(`${broker.url}/v1/connect/callback/${id}`)
    await attach(broker.owner, 'oauth/login', 'agent', 'development', {
      subjects: ['user'],
      redirectUris: [redirectUri],
    })
  })
  afterAll(async () => {
    await broker.close()
    await upstream.close()
  })
  beforeEach(async () => {
    signIn = await begin()
  })

  it('by discovery, PKCE and a signed ID token, then userinfo, getToken and revocation', async () => {
    const { config, url, finish } = signIn
    const { tokens, person } = await finish(await browse(url))
    expect(person).toMatchObject({
      iss: broker.url,
      aud: 'oauth/login',
      email: 'ada@example.com',
      email_verified: true,
      name: 'Ada',
    })
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'openid profile email' })
    expect(tokens.refresh_token).toBeUndefined()
    expect(decodeProtectedHeader(tokens.id_token ?? '').typ).toBe('vk-signin+jwt')
    expect(decodeProtectedHeader(tokens.access_token).typ).toBe('at+jwt')

    const sub = person?.sub ?? ''
    const info = await client.fetchUserInfo(config, tokens.access_token, sub)
    expect(info).toEqual({
      sub,
      email: 'ada@example.com',
      email_verified: true,
      name: 'Ada',
      picture: 'https://pictures.example/ada.png',
    })

    const sdk = createClient({ url: broker.url, identity: async () => identity })
    const params = { subject: { type: 'user', id: sub, issuer: broker.url } } as const
    expect(await sdk.getToken('oauth/login', params)).toMatch(/\S/)

    await client.tokenRevocation(config, tokens.access_token)
    await expect(client.fetchUserInfo(config, tokens.access_token, sub)).rejects.toThrow()
    await expect(sdk.getToken('oauth/login', params, { forceRefresh: true })).rejects.toMatchObject({
      code: 'user_authorization_required',
    })
  })

  it('under the same sub every time, and another one for another project', async () => {
    const [first, second] = [
      await signIn.finish(await browse(signIn.url)),
      await begin().then(async ({ url, finish }) => finish(await browse(url))),
    ]
    expect(second.person?.sub).toBe(first.person?.sub)
    expect(first.person?.sub).not.toContain('person-1')

    const other = await createWorkload(broker.owner, 'other')
    const uri = `${redirectUri}/other`
    await attach(broker.owner, 'oauth/login', 'other', 'development', {
      subjects: ['user'],
      redirectUris: [uri],
    })
    const { config } = await begin('oauth/login', other)
    const verifier = client.randomPKCECodeVerifier()
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: uri,
      scope: 'openid',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    const tokens = await client.authorizationCodeGrant(config, await browse(url), {
      pkceCodeVerifier: verifier,
    })
    expect(tokens.claims()?.sub).toMatch(/^[\w-]{43}$/)
    expect(tokens.claims()?.sub).not.toBe(first.person?.sub)
  })

  it('not when the person cancels', async () => {
    const { url, finish } = signIn
    const callback = await browse(url, 'cancel')
    expect(callback.searchParams.get('iss')).toBe(broker.url)
    await expect(finish(callback)).rejects.toMatchObject({ error: 'access_denied' })
  })

  it('S41 not with a code that was redeemed before, which ends the first access too', async () => {
    const { config, url, finish } = signIn
    const callback = await browse(url)
    const { tokens, person } = await finish(callback)
    await expect(finish(callback)).rejects.toMatchObject({ error: 'invalid_grant' })
    await expect(client.fetchUserInfo(config, tokens.access_token, person?.sub ?? '')).rejects.toThrow()
  })

  it('S02 not as another project, environment or client', async () => {
    const { url, finish } = signIn
    const callback = await browse(url)
    const preview = await developmentIdentity(broker.owner, 'agent', 'preview')
    const wrong = await begin('oauth/login', preview)
    await expect(wrong.finish(callback)).rejects.toThrow()
    const { body } = await redeem(callback, preview)
    expect(body.error).toBe('invalid_client')
    expect((await finish(callback)).person?.sub).toMatch(/\S/)
  })

  it('S38 not with tokens of another kind', async () => {
    const { tokens } = await signIn.finish(await browse(signIn.url))
    for (const token of [identity, tokens.id_token ?? '']) {
      const answer = await fetch(`${broker.url}/oauth/userinfo`, {
        headers: { authorization: `Bearer ${token}` },
      })
      expect(answer.status).toBe(401)
    }
    for (const token of [tokens.access_token, tokens.id_token ?? '']) {
      const answer = await fetch(`${broker.url}/v1/connect/token/oauth%2Flogin`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ subject: { type: 'app' } }),
      })
      expect(answer.status).toBe(401)
    }
  })

  async function redeem(callback: URL, credential: string) {
    const answer = await fetch(`${broker.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code') ?? '',
        redirect_uri: redirectUri,
        code_verifier: 'v'.repeat(43),
        client_id: 'oauth/login',
        client_secret: credential,
      }),
    })
    return { body: (await answer.json()) as { error?: string } }
  }
})
