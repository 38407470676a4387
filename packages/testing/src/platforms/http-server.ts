import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request, read to its end. */
export interface PlatformRequest {
  readonly method: string
  /** Its origin means nothing: only path and query were in the request. */
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** What is answered. An object is sent as JSON. */
export interface PlatformAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object | string
}

/** A server on loopback or on a Unix socket. */
export interface LoopbackServer {
  /** Its address; means nothing on a socket. */
  readonly url: string
  /** Requests without an answer whose sender has not hung up. */
  readonly waiting: () => number
  close(): Promise<void>
}

/**
 * Starts one. Where `answer` gives nothing, the request stays without an answer.
 *
 * @param socketPath a Unix socket instead of a port of 127.0.0.1.
 */
export async function startHttpServer(
  answer: (request: PlatformRequest) => PlatformAnswer | undefined,
  socketPath?: string,
): Promise<LoopbackServer> {
  let waiting = 0
  const server = createServer((request, response) => {
    waiting++
    response.on('close', () => {
      waiting--
    })
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      // `GET //` is no path of a URL.
      const target = `http://localhost${request.url}`
      if (!URL.canParse(target)) {
        response.writeHead(400).end()
        return
      }
      const url = new URL(target)
      const text = Buffer.concat(chunks).toString()
      const given = answer({ method: request.method ?? 'GET', url, headers: request.headers, text })
      if (given === undefined) return
      const { status = 200, headers, body = '' } = given
      const isText = typeof body === 'string'
      response
        .writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json', ...headers })
        .end(isText ? body : JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if (socketPath === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(socketPath, resolve)
  })
  const address = server.address() as AddressInfo | string | null
  return {
    url: address === null || typeof address === 'string' ? '' : `http://127.0.0.1:${address.port}`,
    waiting: () => waiting,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A JSON body's fields; empty for anything else. */
export function jsonBody(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
