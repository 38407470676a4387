import { generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'

const client = { clientId: 'broker', clientSecret: 'a-secret-of-the-example' } as const

/** An OAuth server on this machine, at which everybody who comes is Ann. */
export interface AuthorizationServer {
  readonly issuer: string
  /** What an operator would enter when registering the connector. */
  readonly connector: object
  /** Allows the broker's redirect URI: known once the connector is there. */
  register(redirectUri: string): void
  /** Whom an access token stands for; undefined where it is not good. */
  readonly whose: (token: string) => Promise<string | undefined>
  readonly close: () => Promise<void>
}

/** Starts it. */
export async function startAuthorizationServer(): Promise<AuthorizationServer> {
  let answer = (_request: IncomingMessage, response: ServerResponse): unknown => response.writeHead(503).end()
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let provider: Provider

  function register(redirectUri: string): void {
    provider = createProvider(issuer, redirectUri)
    const callback = provider.callback()
    answer = (request, response) =>
      request.url?.startsWith('/interaction/') === true
        ? provider.interactionFinished(request, response, { login: { accountId: 'ann' } })
        : callback(request, response)
  }
  register('https://broker.example/not-known-yet')

  return {
    issuer,
    connector: {
      serverUrl: issuer,
      ...client,
      userAuthorization: { enabled: true, scopes: ['openid'] },
      clientCredentials: { enabled: true, scopes: ['notes'] },
    },
    register,
    async whose(token) {
      const ofUser = await provider.AccessToken.find(token)
      if (ofUser !== undefined) return ofUser.accountId
      return (await provider.ClientCredentials.find(token)) === undefined ? undefined : 'the app'
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function createProvider(issuer: string, redirectUri: string): Provider {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return new Provider(issuer, {
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kty: 'EC', kid: 'es-1', alg: 'ES256' }] },
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    scopes: ['openid', 'notes'],
    cookies: { keys: ['cookie-key-of-the-example'] },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: 3600,
      ClientCredentials: 3600,
      Grant: 3600,
      IdToken: 300,
      Interaction: 300,
      RefreshToken: 3600,
      Session: 300,
    },
    features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client?.clientId ?? '',
        accountId: oidc.account?.accountId ?? '',
      })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
  })
}
