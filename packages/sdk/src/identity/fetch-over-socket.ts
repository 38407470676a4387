import type { IncomingMessage } from 'node:http'
import { invalidResponse } from '../errors/connect-error.ts'
import { concatenate } from './concatenate.ts'
import { nodeBuiltin } from './node-builtin.ts'

const maxBytes = 65_536

/**
 * A `fetch` over a Unix socket, by Node's own HTTP client: the `fetch` of Node has no such option. For one small
 * request to a platform at a time; the answer is read whole.
 */
export function fetchOverSocket(socketPath: string, forWhat: string): typeof globalThis.fetch {
  const { request } = nodeBuiltin('node:http', forWhat)
  return (input, init) => {
    const url = new URL(String(input))
    const { method = 'GET', body, signal } = init ?? {}
    const headers = Object.fromEntries(new Headers(init?.headers))
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath,
          method,
          path: `${url.pathname}${url.search}`,
          headers,
          // No connection stays open for a next request, which is minutes away.
          agent: false,
          ...(signal ? { signal } : {}),
        },
        (incoming) => {
          readAnswer(incoming).then(resolve, reject)
        },
      )
      outgoing.on('error', (error) => reject(new TypeError('fetch failed', { cause: error })))
      outgoing.end(typeof body === 'string' ? body : undefined)
    })
  }
}

async function readAnswer(incoming: IncomingMessage): Promise<Response> {
  const { statusCode: status = 500 } = incoming
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength
    if (length > maxBytes) throw invalidResponse(`The answer is larger than ${maxBytes / 1024} KiB`, status)
    chunks.push(chunk)
  }
  // Response refuses what is no status of HTTP, as a broken server may send.
  if (status < 200 || status > 599) throw invalidResponse('The answer has no valid status')
  const headers = Object.entries(incoming.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  )
  const isBodiless = status === 204 || status === 205 || status === 304
  return new Response(isBodiless ? null : concatenate(chunks), { status, headers })
}
