import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { createSseRoutes } from './mcp-sse.ts'

/** What reached a server, whatever it answered. */
export interface McpRequest {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** How a {@link RunningMcpServer} behaves. */
export interface McpServerOptions {
  /** Whether a token is good: true, or whom it stands for. A request without one is answered 401 in any case. */
  readonly accepts: (token: string) => boolean | string | Promise<boolean | string>
  /** Registers the tools, for each request anew. Default: `whoami`, and `add` of two numbers. */
  readonly tools?: (server: McpServer, user: string) => void
  /** What `WWW-Authenticate` names for discovery (RFC 9728 section 5.1). Default: its own well-known address. */
  readonly resourceMetadata?: string
  /** The authorization server that its own resource metadata names. Default: itself. */
  readonly authorizationServer?: string
}

/** A real MCP server on loopback: Streamable HTTP at `/mcp`, HTTP with SSE at `/sse`. */
export interface RunningMcpServer {
  /** Without a trailing slash. */
  readonly origin: string
  /** Of Streamable HTTP. */
  readonly url: string
  readonly sseUrl: string
  readonly requests: McpRequest[]
  /** From now on `/mcp` answers with a redirect (307) there; `undefined` ends it. */
  redirectTo: string | undefined
  /** From now on good tokens are answered 403, for want of this scope (RFC 6750 section 3.1). */
  missingScope: string | undefined
  close(): Promise<void>
}

/** Starts one. */
export async function startMcpServer(options: McpServerOptions): Promise<RunningMcpServer> {
  const requests: McpRequest[] = []
  const tools = options.tools ?? addTools
  const streamable = createMcpHandler(({ authInfo }) => {
    const server = new McpServer({ name: 'test-server', version: '1.0.0' })
    tools(server, authInfo?.clientId ?? 'nobody')
    return server
  })
  const sse = createSseRoutes()
  let redirectTo: string | undefined
  let missingScope: string | undefined

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const wellKnown = `${origin}/.well-known/oauth-protected-resource`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = await recorded(request)
    requests.push(seen)
    const { pathname } = new URL(seen.path, origin)
    if (pathname.startsWith('/.well-known/oauth-protected-resource')) {
      const metadata = { resource: origin, authorization_servers: [options.authorizationServer ?? origin] }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(metadata))
      return
    }
    if (pathname === '/mcp' && redirectTo !== undefined) {
      response.writeHead(307, { location: redirectTo }).end()
      return
    }
    if (!['/mcp', '/moved', '/sse', '/messages'].includes(pathname)) {
      response.writeHead(404).end()
      return
    }
    const user = await userOf(seen, options)
    if (user === undefined) {
      const challenge = `Bearer error="invalid_token", resource_metadata="${options.resourceMetadata ?? wellKnown}"`
      response.writeHead(401, { 'www-authenticate': challenge }).end('unauthorized')
      return
    }
    if (missingScope !== undefined) {
      const challenge = `Bearer error="insufficient_scope", scope="${missingScope}"`
      response.writeHead(403, { 'www-authenticate': challenge }).end('forbidden')
      return
    }
    if (pathname === '/sse' || pathname === '/messages') return sse(request, response, seen.body, user)
    const { method, headers, body } = seen
    const asked = new Request(`${origin}${seen.path}`, {
      method,
      headers: headers as Record<string, string>,
      ...(body === '' ? {} : { body }),
    })
    const authInfo = { token: 'checked', clientId: user, scopes: [] }
    await send(await streamable.fetch(asked, { authInfo }), response)
  }

  return {
    origin,
    url: `${origin}/mcp`,
    sseUrl: `${origin}/sse`,
    requests,
    get redirectTo() {
      return redirectTo
    },
    set redirectTo(target) {
      redirectTo = target
    },
    get missingScope() {
      return missingScope
    },
    set missingScope(scope) {
      missingScope = scope
    },
    async close() {
      await streamable.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Another server on loopback, whose address the first one may name: answers 200 to everything. */
export async function startSibling(): Promise<{
  readonly origin: string
  readonly requests: McpRequest[]
  close(): Promise<void>
}> {
  const requests: McpRequest[] = []
  const server = createServer(async (request, response) => {
    requests.push(await recorded(request))
    const issuer = `http://${request.headers.host}`
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        resource: issuer,
        authorization_servers: [issuer],
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        registration_endpoint: `${issuer}/register`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** The tools there are by default. */
export function addTools(server: McpServer, user: string): void {
  server.registerTool('whoami', { description: 'Says whose token this is' }, () => text(user))
  server.registerTool(
    'add',
    { description: 'Adds two numbers', inputSchema: z.object({ a: z.number(), b: z.number() }) },
    ({ a, b }) => text(String(a + b)),
  )
}

function text(value: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text: value }] }
}

async function userOf({ headers }: McpRequest, options: McpServerOptions): Promise<string | undefined> {
  const [, token] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? []
  const accepted = token === undefined ? false : await options.accepts(token)
  if (accepted === false) return undefined
  return accepted === true ? 'somebody' : accepted
}

async function recorded(request: IncomingMessage): Promise<McpRequest> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  const { method = 'GET', url = '/', headers } = request
  return { method, path: url, headers, body }
}

async function send(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  response.flushHeaders()
  const reader = answer.body?.getReader()
  response.once('close', () => reader?.cancel().catch(() => {}))
  for (let read = await reader?.read(); read !== undefined && !read.done; read = await reader?.read())
    response.write(read.value)
  response.end()
}
