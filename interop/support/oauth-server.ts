import { generateKeyPairSync } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, importSPKI } from 'jose'
import Provider from 'oidc-provider'

export const redirectUri = 'https://broker.example/v1/connect/callback/scl_1'
export const clientSecret = 'a-secret-of-the-test'
export const resource = 'https://api.example/v1'

/** oidc-provider, unchanged, with rotation, reuse detection, PKCE, PAR, `iss`, resource indicators, revocation. */
export interface AuthorizationServer {
  readonly issuer: string
  /** The key of the client `by-key`, as an operator would enter it. */
  readonly privateKeyPem: string
  /** `METHOD /path` of what it was asked since the last call. */
  calls(): readonly string[]
  close(): Promise<void>
}

/** Starts it; everyone is `person-1`. */
export async function startAuthorizationServer(): Promise<AuthorizationServer> {
  let handle: RequestListener = (_, response) => response.writeHead(503).end()
  let seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url?.split('?')[0]}`)
    handle(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const key = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const provider = await createProvider(issuer, key.publicKey)
  const callback = provider.callback()
  handle = (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) return callback(request, response)
    return finishInteraction(provider, request, response).catch(() => response.destroy())
  }
  return {
    issuer,
    privateKeyPem: key.privateKey,
    calls() {
      const calls = seen
      seen = []
      return calls
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** Signs the person in, and grants whatever is asked, or says no where `login_hint` is `refuse`. */
async function finishInteraction(
  provider: Provider,
  ...[request, response]: Parameters<RequestListener>
): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response)
  if (params.login_hint === 'refuse')
    return provider.interactionFinished(request, response, { error: 'access_denied' })
  if (prompt.name === 'login')
    return provider.interactionFinished(request, response, { login: { accountId: 'person-1' } })
  const grant = new provider.Grant({
    clientId: String(params.client_id),
    ...(session?.accountId === undefined ? {} : { accountId: session.accountId }),
  })
  grant.addOIDCScope(String(params.scope ?? 'openid'))
  grant.addResourceScope(resource, 'read write')
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } })
}

async function createProvider(issuer: string, publicKey: string): Promise<Provider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const client = {
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    client_secret: clientSecret,
  }
  return new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'rs-1', use: 'sig', alg: 'RS256' }] },
    clients: [
      { ...client, client_id: 'by-basic', token_endpoint_auth_method: 'client_secret_basic' },
      { ...client, client_id: 'by-post', token_endpoint_auth_method: 'client_secret_post' },
      {
        client_id: 'by-key',
        redirect_uris: [redirectUri],
        grant_types: client.grant_types,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...(await exportJWK(await importSPKI(publicKey, 'RS256'))), kid: 'client-1' }] },
      },
      {
        client_id: 'by-nothing',
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
      },
    ],
    scopes: ['openid', 'offline_access', 'email', 'read', 'write'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['cookie-key-of-the-test'] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: 300,
      ClientCredentials: 300,
      Grant: 3600,
      IdToken: 300,
      Interaction: 300,
      RefreshToken: 3600,
      Session: 3600,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      introspection: { enabled: true, allowedPolicy: () => true },
      pushedAuthorizationRequests: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'read write',
          accessTokenFormat: 'opaque' as const,
          accessTokenTTL: 300,
        }),
      },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, email: 'person@example.com', email_verified: true }),
    }),
  })
}
