import { followConsent } from '@valetkey/example-support'
import { type Client, createClient } from '@valetkey/sdk'
import { startDevelopment, type TestBroker } from './broker.ts'
import { type ChatApi, startChatApi } from './chat-api.ts'
import { type McpOidc, startMcpOidc } from './mcp-oidc.ts'
import { type RunningMcpServer, startMcpServer } from './mcp-server.ts'
import { attach, createConnector, createWorkload } from './operator.ts'

export const chatConnector = 'oauth/notes'
/** Where browsers come back to; nobody answers there. */
export const chatCallback = 'http://localhost:9/connected'

/** A broker, an authorization server, and an API and an MCP server that take its tokens. */
export interface ChatWorld {
  readonly broker: TestBroker
  readonly oidc: McpOidc
  readonly api: ChatApi
  readonly mcp: RunningMcpServer
  /** The chat application's process. */
  readonly client: Client
  /** Bodies of the token requests that reached the broker. */
  readonly exchanges: Readonly<Record<string, unknown>>[]
  /** Agrees in the user's browser, and completes as the app does in the session in which the browser arrives. */
  consent(started: { readonly url: string; readonly verifier: string }, user: string): Promise<void>
  close(): Promise<void>
}

/** Starts it all. */
export async function startChatWorld(): Promise<ChatWorld> {
  const [broker, oidc] = await Promise.all([startDevelopment(), startMcpOidc()])
  const whose = (token: string) => oidc.whose(token)
  const [api, mcp] = await Promise.all([startChatApi(whose), startMcpServer({ accepts: whose })])
  const identity = await createWorkload(broker.owner, 'chats')
  const data = { ...oidc.data, origins: [api.origin, mcp.origin] }
  const id = await createConnector(broker.owner, 'oauth', 'notes', data)
  await attach(broker.owner, chatConnector, 'chats', 'development', { subjects: ['app', 'user'] })
  oidc.register(`${broker.url}/v1/connect/callback/${id}`)
  const exchanges: ChatWorld['exchanges'] = []
  const counted: typeof fetch = (input, init) => {
    if (String(input).includes('/v1/connect/token/')) exchanges.push(JSON.parse(String(init?.body)))
    return fetch(input, init)
  }
  const client = createClient({ url: broker.url, identity: () => identity, fetch: counted })
  return {
    broker,
    oidc,
    api,
    mcp,
    client,
    exchanges,
    async consent({ url, verifier }, user) {
      oidc.person = user
      const arrived = await followConsent(url, chatCallback)
      const [request, code] = ['request', 'code'].map((name) => arrived.searchParams.get(name) ?? '')
      const subject = { type: 'user', id: user } as const
      await client.completeAuthorization({ request: request ?? '', code: code ?? '', verifier, subject })
    },
    async close() {
      for (const each of [mcp, api, broker, oidc]) await each.close()
    },
  }
}
