import type { IncomingMessage, ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'

/** Answers one request whose token has been checked already. */
export type SseRoutes = (
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  user: string,
) => Promise<void>

/** The older transport, by the older server: GET opens the stream, POST to `/messages` says something. */
export function createSseRoutes(): SseRoutes {
  const open = new Map<string, SSEServerTransport>()
  return async (request, response, body, user) => {
    if (request.method === 'GET') {
      const transport = new SSEServerTransport('/messages', response)
      open.set(transport.sessionId, transport)
      response.once('close', () => open.delete(transport.sessionId))
      const server = new McpServer({ name: 'test-server', version: '1.0.0' })
      server.registerTool('whoami', { description: 'Says whose token this is' }, () => ({
        content: [{ type: 'text', text: user }],
      }))
      await server.connect(transport)
      return
    }
    const session = new URL(request.url ?? '/', 'http://server').searchParams.get('sessionId') ?? ''
    const transport = open.get(session)
    if (transport === undefined) response.writeHead(404).end()
    else await transport.handlePostMessage(request, response, JSON.parse(body))
  }
}
