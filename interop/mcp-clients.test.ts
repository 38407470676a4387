import { afterAll, beforeAll, describe } from 'vitest'
import { mcpDrivers } from './support/mcp-drivers.ts'
import { describeMcpClient } from './support/mcp-scenarios.ts'
import { type McpWorld, startMcpWorld } from './support/mcp-world.ts'

describe('MCP clients at a real MCP server, with a token of the moment', () => {
  let world: McpWorld
  beforeAll(async () => {
    world = await startMcpWorld()
  })
  afterAll(() => world.close())

  for (const driver of mcpDrivers) describeMcpClient(driver, () => world)
})
