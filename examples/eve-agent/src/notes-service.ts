import { generateKeyPairSync } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import Provider from 'oidc-provider'
import { memoryAdapter } from './memory-adapter.ts'

const accounts = ['ann', 'bob', 'cas', 'dee', 'eli']
const client = { clientId: 'broker', clientSecret: 'a-secret-of-the-example' } as const

/** A token as it arrived. */
export interface Presented {
  readonly account: string
  readonly token: string
}

/** A service on this machine: notes behind an MCP server, and the OAuth server whose access tokens it accepts. */
export interface NotesService {
  /** The MCP server's address. */
  readonly url: string
  /** What an operator would enter when registering the connector. */
  readonly connector: object
  /** Allows the broker's redirect URI: known once the connector is there. */
  register(redirectUri: string): void
  /** The requests it accepted: whose token, and which. */
  readonly calls: readonly Presented[]
  /** The requests it answered 401 to, though the token was good. */
  readonly rejections: readonly Presented[]
  /** Which good tokens to answer 401 to. Default: none. */
  rejects: (presented: Presented) => boolean
  close(): Promise<void>
}

/** Starts it. Everybody who signs in chooses the account on the page. */
export async function startNotesService(): Promise<NotesService> {
  let handle = (_request: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(503).end()
  const server = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const calls: Presented[] = []
  const rejections: Presented[] = []
  let provider = createProvider(origin, 'https://broker.example/not-registered-yet')

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/interaction/') === true) return signIn(provider, request, response)
    if (request.url !== '/mcp') return provider.callback()(request, response)
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const account = (await provider.AccessToken.find(token))?.accountId
    if (account === undefined || service.rejects({ account, token })) {
      if (account !== undefined) rejections.push({ account, token })
      return void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end()
    }
    calls.push({ account, token })
    const mcp = createMcpHandler(() => notesOf(account))
    const headers = new Headers(request.headers as Record<string, string>)
    const body = request.method === 'POST' ? await textOf(request) : undefined
    const answered = await mcp.fetch(
      new Request(`${origin}/mcp`, { method: request.method ?? 'GET', headers, ...(body && { body }) }),
    )
    response.writeHead(answered.status, Object.fromEntries(answered.headers))
    response.end(await answered.text())
  }
  handle = (request, response) => {
    answer(request, response).catch(() => response.destroy())
  }

  const service: NotesService = {
    url: `${origin}/mcp`,
    calls,
    rejections,
    rejects: () => false,
    connector: {
      serverUrl: origin,
      ...client,
      userAuthorization: { enabled: true, scopes: ['openid', 'offline_access'] },
      origins: [origin],
    },
    register(redirectUri) {
      provider = createProvider(origin, redirectUri)
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return service
}

function notesOf(account: string): McpServer {
  const server = new McpServer({ name: 'notes', version: '1.0.0' })
  server.registerTool('read', { description: 'Reads the notes' }, () => ({
    content: [{ type: 'text', text: `These are the notes of ${account}` }],
  }))
  return server
}

function createProvider(issuer: string, redirectUri: string): Provider {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  return new Provider(issuer, {
    adapter: memoryAdapter(),
    jwks: { keys: [{ ...key, kty: 'RSA', kid: 'rs-1', use: 'sig', alg: 'RS256' }] },
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ],
    cookies: { keys: ['cookie-key-of-the-example'] },
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    ttl: { AccessToken: 3600, Grant: 3600, IdToken: 300, Interaction: 300, RefreshToken: 3600, Session: 300 },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client?.clientId ?? '',
        accountId: oidc.account?.accountId ?? '',
      })
      grant.addOIDCScope('openid offline_access')
      await grant.save()
      return grant
    },
  })
}

/** The page on which a person chooses an account, or says no. */
async function signIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { uid } = await provider.interactionDetails(request, response)
  if (request.method === 'POST') {
    const account = new URLSearchParams(await textOf(request)).get('account') ?? ''
    const result = account === '' ? { error: 'access_denied' } : { login: { accountId: account } }
    return provider.interactionFinished(request, response, result)
  }
  const forms = [...accounts, ''].map(
    (account) =>
      `<form method="post" action="/interaction/${uid}"><input name="account" value="${account}"><button>${account || 'No'}</button></form>`,
  )
  response.writeHead(200, { 'content-type': 'text/html' }).end(forms.join(''))
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
