import { createMCPClient } from '@ai-sdk/mcp'
import {
  Client as Client2,
  SSEClientTransport as Sse2,
  StreamableHTTPClientTransport as Streamable2,
} from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport as Sse1 } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport as Streamable1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { type ConnectAuthProvider, connectAuthProvider, connectTransport } from '@valetkey/mcp'
import type { Client, ConnectTokenParams } from '@valetkey/sdk'
import { mcpCallback, mcpConnector } from './mcp-world.ts'

/** Which of the two functions makes the credentials. */
export type Way = 'connectTransport' | 'connectAuthProvider'

/** An open connection to an MCP server. */
export interface McpSession {
  /** Calls a tool and returns its text. */
  call(tool: string, args?: Record<string, unknown>): Promise<string>
  close(): Promise<void>
}

/** What a connection is opened with. */
export interface McpAsk {
  readonly way: Way
  readonly client: Client
  readonly params: ConnectTokenParams
  readonly consent?: 'eager'
  /** Follow redirects to other origins too, which no client does unless it is told to. */
  readonly redirects?: 'follow'
}

/** A published MCP client, unchanged. */
export interface McpDriver {
  readonly name: string
  readonly transport: 'http' | 'sse'
  /** Whether it follows redirects within the server's origin, as it is by default. */
  readonly followsRedirects?: boolean
  /** False where it cannot be told to follow them to other origins. */
  readonly followsAnywhere?: false
  /** Whether it asks its provider for more when a scope is missing. */
  readonly stepsUp?: boolean
  connect(url: string, ask: McpAsk): Promise<McpSession>
}

/** What to spread into the options of a transport. */
export function credentialsFor(
  url: string,
  { way, client, params, consent }: McpAsk,
): { readonly authProvider: ConnectAuthProvider; readonly fetch?: typeof fetch } {
  const options = { client, redirectUrl: mcpCallback }
  return way === 'connectTransport'
    ? connectTransport(url, mcpConnector, params, options)
    : { authProvider: connectAuthProvider(mcpConnector, params, { ...options, consent }) }
}

const policyOf = ({ redirects }: McpAsk) => (redirects === undefined ? {} : { redirectPolicy: redirects })

const info = { name: 'test-client', version: '1.0.0' }

/** The text of a tool's result. */
export function textOf(result: unknown): string {
  const { content } = result as { content: readonly { text: string }[] }
  return content.map(({ text }) => text).join('')
}

export const mcpDrivers: readonly McpDriver[] = [
  {
    name: '@modelcontextprotocol/sdk, Streamable HTTP',
    transport: 'http',
    followsRedirects: true,
    stepsUp: true,
    connect: (url, ask) =>
      open1(new Streamable1(new URL(url), { ...credentialsFor(url, ask), ...policyOf(ask) })),
  },
  {
    name: '@modelcontextprotocol/sdk, SSE',
    transport: 'sse',
    connect: (url, ask) => open1(new Sse1(new URL(url), { ...credentialsFor(url, ask), ...policyOf(ask) })),
  },
  {
    name: '@modelcontextprotocol/client, Streamable HTTP',
    transport: 'http',
    followsRedirects: true,
    stepsUp: true,
    connect: (url, ask) =>
      open2(new Streamable2(new URL(url), { ...credentialsFor(url, ask), ...policyOf(ask) })),
  },
  {
    name: '@modelcontextprotocol/client, SSE',
    transport: 'sse',
    connect: (url, ask) => open2(new Sse2(new URL(url), { ...credentialsFor(url, ask), ...policyOf(ask) })),
  },
  {
    name: '@ai-sdk/mcp, Streamable HTTP',
    transport: 'http',
    connect: (url, ask) => openAi('http', url, ask),
  },
  {
    name: '@ai-sdk/mcp, SSE',
    transport: 'sse',
    connect: (url, ask) => openAi('sse', url, ask),
  },
]

async function open1(transport: Streamable1 | Sse1): Promise<McpSession> {
  const client = new Client1(info)
  try {
    // The package's own classes do not satisfy its own interface under `exactOptionalPropertyTypes`.
    await client.connect(transport as Parameters<typeof client.connect>[0])
  } catch (error) {
    await transport.close()
    throw error
  }
  return {
    call: async (name, args = {}) => textOf(await client.callTool({ name, arguments: args })),
    close: () => client.close(),
  }
}

async function open2(transport: Streamable2 | Sse2): Promise<McpSession> {
  const client = new Client2(info)
  try {
    await client.connect(transport)
  } catch (error) {
    await transport.close()
    throw error
  }
  return {
    call: async (name, args = {}) => textOf(await client.callTool({ name, arguments: args })),
    close: () => client.close(),
  }
}

async function openAi(type: 'http' | 'sse', url: string, ask: McpAsk): Promise<McpSession> {
  const { redirects: redirect = 'error' } = ask
  const client = await createMCPClient({ transport: { type, url, redirect, ...credentialsFor(url, ask) } })
  return {
    async call(name, args = {}) {
      const tools = await client.tools()
      const tool = tools[name]
      if (tool === undefined) throw new Error(`There is no tool ${name}`)
      return textOf(await tool.execute(args, { toolCallId: 'call-1', messages: [], context: {} }))
    },
    close: () => client.close(),
  }
}
