import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'

/** An MCP server on this machine that takes access tokens. */
export interface NotesServer {
  readonly url: string
  /** The requests it got: which method, with what, and whom that stood for. */
  readonly seen: { readonly method: string; readonly authorization: string; readonly who: string }[]
  /** What else it was asked for: addresses of OAuth metadata. */
  readonly discoveries: string[]
  readonly close: () => Promise<void>
}

/** Starts it; `whose` says whom a token stands for. */
export async function startNotesServer(
  whose: (token: string) => Promise<string | undefined>,
): Promise<NotesServer> {
  const seen: NotesServer['seen'] = []
  const discoveries: string[] = []
  const forgotten = new Set<string>()

  const mcp = createMcpHandler(({ authInfo }) => {
    const server = new McpServer({ name: 'notes', version: '1.0.0' })
    const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
    server.registerTool('whoami', { description: 'Says whose token this is' }, () =>
      text(authInfo?.clientId ?? 'nobody'),
    )
    server.registerTool('forget-my-token', { description: 'Takes this token never again' }, () => {
      forgotten.add(authInfo?.token ?? '')
      return text('forgotten')
    })
    return server
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url !== '/mcp') {
      discoveries.push(request.url ?? '')
      response.writeHead(404).end()
      return
    }
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { authorization = '' } = request.headers
    const token = authorization.replace(/^Bearer /, '')
    const user = forgotten.has(token) ? undefined : await whose(token)
    const method = body === '' ? `${request.method}` : String((JSON.parse(body) as { method: string }).method)
    seen.push({ method, authorization, who: user ?? '401' })
    if (user === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
      return
    }
    const asked = new Request(`http://${request.headers.host}/mcp`, {
      method: request.method ?? 'GET',
      headers: request.headers as Record<string, string>,
      ...(body === '' ? {} : { body }),
    })
    const answered = await mcp.fetch(asked, { authInfo: { token, clientId: user, scopes: [] } })
    response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text())
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    discoveries,
    async close() {
      await mcp.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
