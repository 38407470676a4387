import { createMCPClient, type MCPClient } from '@ai-sdk/mcp'
import { connectTransport } from '@valetkey/ai-sdk'

export function connectLinear(session: { userId: string }): Promise<MCPClient> {
  const url = 'https://mcp.linear.app/mcp'
  const params = { subject: { type: 'user', id: session.userId } } as const
  return createMCPClient({
    transport: { type: 'http', url, ...connectTransport(url, 'mcp.linear.app/tracker', params) },
  })
}
