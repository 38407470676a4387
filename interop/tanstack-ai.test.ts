import { createMCPClient, type TransportConfig } from '@tanstack/ai-mcp'
import { connectAuthProvider, connectMCPTransport } from '@valetkey/tanstack-ai'
import { afterAll, beforeAll, describe } from 'vitest'
import { type McpAsk, type McpDriver, textOf } from './support/mcp-drivers.ts'
import { describeMcpClient } from './support/mcp-scenarios.ts'
import { type McpWorld, mcpCallback, mcpConnector, startMcpWorld } from './support/mcp-world.ts'

function driver(type: 'http' | 'sse'): McpDriver {
  return {
    name: `@tanstack/ai-mcp, ${type}`,
    transport: type,
    followsAnywhere: false,
    ...(type === 'http' ? { followsRedirects: true, stepsUp: true } : {}),
    async connect(url, ask) {
      const client = await createMCPClient({ transport: transportFor({ type, url }, ask) })
      return {
        async call(name, args = {}) {
          return textOf(await client.callTool(name, args))
        },
        close: () => client.close(),
      }
    },
  }
}

function transportFor(config: { type: 'http' | 'sse'; url: string }, ask: McpAsk): TransportConfig {
  const options = { client: ask.client, redirectUrl: mcpCallback }
  if (ask.way === 'connectTransport') return connectMCPTransport(config, mcpConnector, ask.params, options)
  const { consent } = ask
  return { ...config, authProvider: connectAuthProvider(mcpConnector, ask.params, { ...options, consent }) }
}

describe('TanStack AI at a real MCP server, with a token of the moment', () => {
  let world: McpWorld
  beforeAll(async () => {
    world = await startMcpWorld()
  })
  afterAll(() => world.close())

  for (const type of ['http', 'sse'] as const) describeMcpClient(driver(type), () => world)
})
