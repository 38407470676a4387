import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request that the API received. */
export interface ApiRequest {
  readonly path: string
  /** Whom the path names: `/users/<user>/…`. */
  readonly user: string
  /** Whose token came; undefined without one that is good. */
  readonly bearer: string | undefined
}

/** A user's notes, over HTTP, for whoever brings a token of that user. */
export interface ChatApi {
  readonly origin: string
  readonly requests: ApiRequest[]
  /** Requests with somebody else's token: the one thing that must never be. */
  readonly crossings: ApiRequest[]
  /** Awaited before each answer. */
  hold: (request: ApiRequest) => Promise<unknown> | undefined
  close(): Promise<void>
}

/** Starts it; `whose` says whom a token stands for. */
export async function startChatApi(
  whose: (token: string) => Promise<string | false> | string | false,
): Promise<ChatApi> {
  const requests: ApiRequest[] = []
  const crossings: ApiRequest[] = []

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const [, , user = ''] = path.split('/')
    const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? []
    const owner = token === undefined ? false : await whose(token)
    const seen = { path, user, bearer: owner === false ? undefined : owner }
    requests.push(seen)
    await self.hold(seen)
    if (owner === false) return void response.writeHead(401).end('unauthorized')
    if (owner !== user) {
      crossings.push(seen)
      return void response.writeHead(403).end('forbidden')
    }
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ user, note: `the note of ${user}` }))
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const self: ChatApi = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    crossings,
    hold: () => undefined,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return self
}
