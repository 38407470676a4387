import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A reverse proxy in front of a real service: gives it a path prefix, another backend, or an outage. */
export interface Front {
  /** With the prefix, without a trailing slash. */
  readonly url: string
  /** From now on requests go there. */
  pointAt(target: string): void
  /** From now on every request gets this status and an empty body; `undefined` ends it. */
  answerOnly(status: number | undefined): void
  close(): Promise<void>
}

/** Starts one on loopback. What is not below `prefix` is answered 404. */
export async function startFront(target: string, prefix = ''): Promise<Front> {
  let backend = target
  let outage: number | undefined
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/'
    if (outage !== undefined || !path.startsWith(`${prefix}/`)) {
      response.writeHead(outage ?? 404).end()
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers
    try {
      const answer = await fetch(`${backend}${path.slice(prefix.length)}`, {
        method: request.method ?? 'GET',
        headers: headers as Record<string, string>,
        ...(body.length === 0 ? {} : { body }),
      })
      const text = await answer.text()
      response
        .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
        .end(answer.status === 204 ? undefined : text)
    } catch {
      response.destroy()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    pointAt(next) {
      backend = next
    },
    answerOnly(status) {
      outage = status
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
