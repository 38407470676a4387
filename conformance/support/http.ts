import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server on 127.0.0.1 for one test. */
export interface LoopbackServer {
  /** Origin, no trailing slash. */
  readonly url: string
  readonly close: () => Promise<void>
}

/** Starts a server; `handle` gets the request with its body already read. */
export async function startLoopbackServer(
  handle: (request: IncomingMessage, response: ServerResponse, body: string) => unknown,
): Promise<LoopbackServer> {
  const server = createServer(async (request, response) => {
    try {
      const body = Buffer.concat(await request.toArray()).toString()
      await handle(request, response, body)
    } catch {
      // A test closed the connection under way: nobody is left to answer.
      response.destroy()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** Puts a fetch handler behind a real port: what a platform's adapter does, and no more. */
export async function serveFetch(
  fetch: (request: Request) => Promise<Response>,
  server: LoopbackServer,
  exchange: { request: IncomingMessage; response: ServerResponse; body: string },
): Promise<void> {
  const { request, response, body } = exchange
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const answer = await fetch(
    new Request(`${server.url}${request.url}`, {
      method: request.method ?? 'GET',
      headers,
      ...(body === '' ? {} : { body }),
    }),
  )
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
}
