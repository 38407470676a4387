import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a browser asked a {@link PageServer} for. */
export interface PageRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The fields of a form, in their order. */
  readonly fields: readonly (readonly [string, string])[]
}

export interface PageAnswer {
  readonly status?: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** A small web server on loopback that shows what it is told to. */
export interface PageServer {
  /** Without a trailing slash. */
  readonly origin: string
  /** Since the last {@link show}, without what browsers fetch unasked (`/favicon.ico`). */
  readonly requests: readonly PageRequest[]
  /** From now on these are the answers, by `METHOD /path`; everything else is 404. */
  show(answers: Readonly<Record<string, PageAnswer>>): void
  close(): Promise<void>
}

/** Starts one. `host` is what its origin says: another name for loopback makes it another site. */
export async function startPageServer(host: '127.0.0.1' | 'localhost' = '127.0.0.1'): Promise<PageServer> {
  let answers: Readonly<Record<string, PageAnswer>> = {}
  let requests: PageRequest[] = []
  const server = createServer(async (request, response) => {
    const { method = 'GET', url = '/', headers } = request
    let body = ''
    for await (const chunk of request) body += chunk
    const path = url.split('?')[0] ?? '/'
    if (path === '/favicon.ico') {
      // Browsers ask for it when they like, and complain when it is missing.
      response.writeHead(204).end()
      return
    }
    requests.push({ method, path, headers, fields: [...new URLSearchParams(body)] })
    const answer = answers[`${method} ${path}`]
    if (answer === undefined) response.writeHead(404, { 'content-type': 'text/plain' }).end('not found')
    else response.writeHead(answer.status ?? 200, answer.headers).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://${host}:${port}`,
    get requests() {
      return requests
    },
    show(next) {
      answers = next
      requests = []
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
