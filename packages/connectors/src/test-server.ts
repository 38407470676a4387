import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { MintRequest, ProviderAccess } from './driver.ts'

/** What a fake provider was asked. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** What it answers: a status and JSON, or anything at all through `raw`. */
export interface FakeAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly raw?: (response: ServerResponse) => void
}

/** A provider on 127.0.0.1, for the length of one test. */
export interface FakeProvider {
  readonly url: string
  readonly seen: SeenRequest[]
  readonly close: () => Promise<void>
}

/** Starts a provider that answers by `handle`; what that returns nothing for is a 404. */
export async function serve(
  handle: (request: SeenRequest) => FakeAnswer | undefined | Promise<FakeAnswer | undefined>,
): Promise<FakeProvider> {
  const seen: SeenRequest[] = []
  const server = createServer(async (incoming, response) => {
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body: Buffer.concat(await incoming.toArray()).toString(),
    }
    seen.push(request)
    const answer = (await handle(request)) ?? { status: 404, json: { message: 'Not Found' } }
    if (answer.raw !== undefined) return answer.raw(response)
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers })
    response.end(answer.json === undefined ? '' : JSON.stringify(answer.json))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A driver's way out, over the real `fetch`, at a fixed time. */
export function accessAt(now: number, changes: Partial<ProviderAccess> = {}): ProviderAccess {
  return {
    fetch: globalThis.fetch,
    now: () => now,
    // A new one for each use: files share a process, and one made when this was loaded would be over by then.
    get signal() {
      return AbortSignal.timeout(30_000)
    },
    ...changes,
  }
}

/** A request of the app for everything, with changes. */
export function appRequest(changes: Partial<MintRequest> = {}): MintRequest {
  return {
    subject: { type: 'app' },
    scopes: [],
    resources: [],
    audience: [],
    authorizationDetails: [],
    ...changes,
  }
}
