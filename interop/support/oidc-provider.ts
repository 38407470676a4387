import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const redirectUri = 'https://app.example/callback'
const clientSecret = 'a-secret-of-the-test'

/** A certified OpenID Provider, unchanged, on loopback; it logs everyone in as `workload-1`. */
export interface IdentityProvider {
  readonly issuer: string
  /** An ID token for one of the clients, by the authorization code flow. Its `aud` is the client. */
  idToken(clientId: string): Promise<string>
  /** From now on it signs with a new key and no longer publishes the old one. */
  rotateKeys(): Promise<void>
  close(): Promise<void>
}

/** Starts one with these clients. */
export async function startIdentityProvider(clientIds: readonly string[]): Promise<IdentityProvider> {
  let handle: RequestListener = (_, response) => response.writeHead(503).end()
  const server = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let keys = 0

  async function rotateKeys(): Promise<void> {
    keys += 1
    const provider = await createProvider(issuer, clientIds, `es-${keys}`)
    const callback = provider.callback()
    handle = (request, response) => {
      if (request.url?.startsWith('/interaction/') !== true) return callback(request, response)
      return provider
        .interactionFinished(request, response, { login: { accountId: 'workload-1' } })
        .catch(() => response.destroy())
    }
  }
  await rotateKeys()
  return {
    issuer,
    idToken: (clientId) => obtainIdToken(issuer, clientId),
    rotateKeys,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function createProvider(issuer: string, clientIds: readonly string[], kid: string): Promise<Provider> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid, use: 'sig', alg: 'ES256' }] },
    clients: clientIds.map((clientId) => ({
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      id_token_signed_response_alg: 'ES256',
    })),
    cookies: { keys: ['cookie-key-of-the-test'] },
    pkce: { required: () => false },
    ttl: {
      AccessToken: 300,
      AuthorizationCode: 60,
      Grant: 300,
      IdToken: 300,
      Interaction: 300,
      Session: 300,
    },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client?.clientId ?? '',
        accountId: context.oidc.account?.accountId ?? '',
      })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
  })
}

/** Goes through the authorization code flow as a browser and a client would. */
async function obtainIdToken(issuer: string, clientId: string): Promise<string> {
  const cookies = new Map<string, string>()
  const query = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: redirectUri,
  })
  let url = `${issuer}/auth?${query}`
  for (let step = 0; step < 6 && !url.startsWith(redirectUri); step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    url = new URL(response.headers.get('location') ?? '', url).href
  }
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: new URL(url).searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
    }),
  })
  const { id_token: token } = (await answer.json()) as { id_token?: string }
  if (token === undefined) throw new Error('The provider gave no ID token')
  return token
}
