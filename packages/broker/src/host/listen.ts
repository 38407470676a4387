import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { HostError } from './host-error.ts'

/** Requests still running when the process stops get this long. */
const graceMs = 10_000

/** Answers one request; `connection` is what the server knows of where it came from. */
export type Handler = (request: Request, connection?: unknown) => Promise<Response>

/** A bound port. */
export interface Listener {
  readonly port: number
  /** From now on requests go to this handler; before, they are answered 503. */
  handle(fetch: Handler): void
  /** Takes no new connections, lets requests in flight finish (at most 10 s), then resolves. */
  close(): Promise<void>
}

/** Binds a port first, so that a port in use is found before a database is opened. */
export async function listen(options: {
  readonly port: number
  readonly hostname: string
}): Promise<Listener> {
  let handler: Handler = async () => new Response(null, { status: 503 })
  let closing = false
  const answer: Handler = async (request, connection) => {
    const response = await handler(request, connection)
    // A client that keeps its connection busy would otherwise keep the server from closing.
    if (closing) response.headers.set('connection', 'close')
    return response
  }
  const server = createAdaptorServer({
    fetch: answer,
    // An identity may take 16 KiB, which is all that Node allows for headers together by default.
    serverOptions: { maxHeaderSize: 32_768, connectionsCheckingInterval: 5_000 },
  }) as Server
  // Slow senders hold a connection, not the broker.
  server.requestTimeout = 30_000
  server.headersTimeout = 10_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new HostError(
              'failed',
              `Port ${options.port} is in use: choose another, or stop what listens there`,
              'EADDRINUSE',
            )
          : error.code === 'EACCES'
            ? new HostError(
                'failed',
                `Port ${options.port} may not be opened by this user: choose one above 1023`,
              )
            : error,
      )
    })
    server.listen(options.port, options.hostname, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    handle(fetch) {
      handler = fetch
    },
    async close() {
      closing = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const force = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(force)
    },
  }
}
