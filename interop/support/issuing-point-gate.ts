import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How an issuing point fails one request, or all of them. */
export type Fault = (response: ServerResponse) => void

/** The door of an issuing point on loopback, at which its requests for tokens can go wrong. */
export interface Gate {
  readonly url: string
  /** From now on this answers what comes through. */
  serve(listener: RequestListener): void
  /** The next requests that change something fail like this, one after the other. */
  failNext(...faults: readonly Fault[]): void
  /** All of them do, until `mend`. */
  failAlways(fault: Fault): void
  mend(): void
  close(): Promise<void>
}

export async function openGate(): Promise<Gate> {
  let listener: RequestListener = (_, response) => response.writeHead(503).end()
  let next: Fault[] = []
  let always: Fault | undefined
  const server = createServer((request, response) => {
    const fault = request.method === 'GET' ? undefined : (next.shift() ?? always)
    if (fault === undefined) return listener(request, response)
    request.resume()
    fault(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serve(to) {
      listener = to
    },
    failNext(...faults) {
      next.push(...faults)
    },
    failAlways(fault) {
      always = fault
    },
    mend() {
      next = []
      always = undefined
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** What has a `fetch`, as a listener of a server at `url`. */
export function listenerOf(url: string, fetch: (request: Request) => Promise<Response>): RequestListener {
  return async (request, response) => {
    const body = await bodyOf(request)
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers
    const answer = await fetch(
      new Request(`${url}${request.url}`, {
        method: request.method ?? 'GET',
        headers: headers as Record<string, string>,
        ...(body.length === 0 ? {} : { body }),
      }),
    )
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  return body
}

const tooMuch = 'x'.repeat(300_000)

/** Answers that are no tokens, by what is wrong with them. */
export const lies: readonly (readonly [string, Fault])[] = [
  [
    'a page',
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>secret-value</html>'),
  ],
  ['nothing', (response) => response.end()],
  ['a redirect', (response) => response.writeHead(307, { location: '/elsewhere' }).end()],
  [
    'a huge body',
    (response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ token: tooMuch, access_token: tooMuch, token_type: 'Bearer', expires_in: 60 })),
  ],
]

/** An error without a word of why, as gateways in front of a service send it. */
export function failing(status: number, headers: Readonly<Record<string, string>> = {}): Fault {
  return (response) => response.writeHead(status, headers).end()
}
