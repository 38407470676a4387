import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider'

/** oidc-provider, unchanged, with rotation; the authorization server of the MCP servers in tests. */
export interface McpOidc {
  readonly issuer: string
  /** What an operator enters for the connector. */
  readonly data: object
  /** Registers the broker, once the connector, and with it its redirect URI, is there. */
  register(redirectUri: string): void
  /** Whom a token stands for: `account`, `app`, or false where it is not good, or rejected. */
  whose(token: string): Promise<string | false>
  /** From now on this token is not good. */
  reject(token: string): void
  /** Who signs in where a browser comes next. */
  person: string
  close(): Promise<void>
}

const clientId = 'broker'
const clientSecret = 'a-secret-of-the-test'

/** Starts it. */
export async function startMcpOidc(): Promise<McpOidc> {
  let handle: RequestListener = (_, response) => response.writeHead(503).end()
  const server = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clients = new Map<string, AdapterPayload>()
  const provider = await createProvider(issuer, clients)
  const callback = provider.callback()
  const rejected = new Set<string>()
  let person = 'ann'
  handle = (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) return callback(request, response)
    provider
      .interactionDetails(request, response)
      .then(() => provider.interactionFinished(request, response, { login: { accountId: person } }))
      .catch(() => response.destroy())
  }
  return {
    issuer,
    data: {
      serverUrl: issuer,
      clientId,
      clientSecret,
      userAuthorization: { enabled: true, scopes: ['openid'] },
      clientCredentials: { enabled: true, scopes: ['read'] },
    },
    register(redirectUri) {
      clients.set(clientId, {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        id_token_signed_response_alg: 'ES256',
      } as AdapterPayload)
    },
    async whose(token) {
      if (rejected.has(token)) return false
      const ofUser = await provider.AccessToken.find(token)
      if (ofUser !== undefined) return ofUser.accountId
      return (await provider.ClientCredentials.find(token)) !== undefined && 'app'
    },
    reject(token) {
      rejected.add(token)
    },
    get person() {
      return person
    },
    set person(account) {
      person = account
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function createProvider(issuer: string, clients: Map<string, AdapterPayload>): Promise<Provider> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return new Provider(issuer, {
    adapter: createAdapter(clients),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'es-1', use: 'sig', alg: 'ES256' }] },
    scopes: ['openid', 'read'],
    cookies: { keys: ['cookie-key-of-the-test'] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: 3600,
      AuthorizationCode: 60,
      ClientCredentials: 3600,
      Grant: 36_000,
      IdToken: 300,
      Interaction: 300,
      RefreshToken: 36_000,
      Session: 300,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
    },
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

/** In memory; clients can be added while it runs, as the redirect URI comes from a connector that asks it first. */
function createAdapter(clients: Map<string, AdapterPayload>): (model: string) => Adapter {
  return (model) => {
    const entries = model === 'Client' ? clients : new Map<string, AdapterPayload>()
    return {
      upsert: async (id, payload) => void entries.set(id, payload),
      find: async (id) => entries.get(id),
      findByUid: async (uid) => [...entries.values()].find((entry) => entry.uid === uid),
      findByUserCode: async () => undefined,
      async consume(id) {
        const entry = entries.get(id)
        if (entry !== undefined) entry.consumed = Math.floor(Date.now() / 1000)
      },
      destroy: async (id) => void entries.delete(id),
      async revokeByGrantId(grantId) {
        for (const [id, entry] of entries) if (entry.grantId === grantId) entries.delete(id)
      },
    }
  }
}
