import { followConsent } from '@valetkey/example-support'
import type { ConsentChallenge } from '@valetkey/mcp'
import { type Client, createClient } from '@valetkey/sdk'
import { startDevelopment } from './broker.ts'
import { type McpOidc, startMcpOidc } from './mcp-oidc.ts'
import { type RunningMcpServer, startMcpServer, startSibling } from './mcp-server.ts'
import { attach, createConnector, createWorkload } from './operator.ts'

export const mcpConnector = 'oauth/mcp'
/** Where browsers come back to; nobody answers there. */
export const mcpCallback = 'http://localhost:9/connected'

/** A broker, an authorization server, an MCP server that takes its tokens, and a server that must not be asked. */
export interface McpWorld {
  readonly oidc: McpOidc
  readonly server: RunningMcpServer
  /** Takes the same tokens; its challenge names the sibling. */
  readonly hostile: RunningMcpServer
  /** Must never be asked. */
  readonly sibling: Awaited<ReturnType<typeof startSibling>>
  /** Where redirects lead. */
  readonly elsewhere: Awaited<ReturnType<typeof startSibling>>
  /** The workload's own credential: no MCP server may ever see it. */
  readonly identity: string
  /** A process of its own: nothing cached. */
  newProcess(): McpProcess
  /** A user whom nobody has seen before. */
  newUser(): string
  /** Agrees as `person` in a browser, and completes as the app would from its session. */
  consent(client: Client, challenge: ConsentChallenge, person: string): Promise<void>
  close(): Promise<void>
}

/** One workload process, as its issuing point sees it. */
export interface McpProcess {
  readonly client: Client
  /** Paths and bodies of what it asked the broker. */
  readonly asked: { readonly path: string; readonly body: Readonly<Record<string, unknown>> }[]
}

/** Starts it all. The sibling is the authorization server that the MCP servers' metadata names. */
export async function startMcpWorld(): Promise<McpWorld> {
  const [broker, oidc, sibling, elsewhere] = await Promise.all([
    startDevelopment(),
    startMcpOidc(),
    startSibling(),
    startSibling(),
  ])
  const asServer = { accepts: (token: string) => oidc.whose(token), authorizationServer: sibling.origin }
  const [server, hostile] = await Promise.all([
    startMcpServer(asServer),
    startMcpServer({ ...asServer, resourceMetadata: `${sibling.origin}/metadata` }),
  ])
  const identity = await createWorkload(broker.owner, 'agents')
  const id = await createConnector(broker.owner, 'oauth', 'mcp', oidc.data)
  await attach(broker.owner, mcpConnector, 'agents', 'development', { subjects: ['app', 'user'] })
  oidc.register(`${broker.url}/v1/connect/callback/${id}`)
  let users = 0
  return {
    oidc,
    server,
    hostile,
    sibling,
    elsewhere,
    identity,
    newUser: () => `user-${++users}`,
    newProcess() {
      const asked: McpProcess['asked'] = []
      const counted: typeof fetch = (input, init) => {
        const { pathname } = new URL(String(input))
        if (pathname.startsWith('/v1/'))
          asked.push({ path: pathname, body: JSON.parse(String(init?.body ?? '{}')) })
        return fetch(input, init)
      }
      return { client: createClient({ url: broker.url, identity: () => identity, fetch: counted }), asked }
    },
    async consent(client, challenge, person) {
      oidc.person = person
      const arrived = await followConsent(challenge.url, mcpCallback)
      const code = arrived.searchParams.get('code')
      if (code === null) throw new Error(`No code came back: ${arrived.searchParams.get('error')}`)
      const { request, verifier, subject } = challenge
      await client.completeAuthorization({ request, verifier, code, subject })
    },
    async close() {
      await server.close()
      await hostile.close()
      await sibling.close()
      await elsewhere.close()
      await broker.close()
      await oidc.close()
    },
  }
}
