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
        { socketPath, method, path: `${url.pathname}${url.search}`, headers, ...(signal ? { signal } : {}) },
        (incoming) => {
          const chunks: Uint8Array[] = []
          let length = 0
          incoming.on('data', (chunk: Uint8Array) => {
            length += chunk.byteLength
            chunks.push(chunk)
            if (length > maxBytes) incoming.destroy(new Error('too large'))
          })
          incoming.on('error', reject)
          incoming.on('end', () => {
            const status = incoming.statusCode ?? 500
            const answerHeaders = Object.entries(incoming.headers).flatMap(([name, value]) =>
              value === undefined ? [] : [[name, String(value)] as [string, string]],
            )
            const isBodiless = status === 204 || status === 304
            resolve(
              new Response(isBodiless ? null : concatenate(chunks, length), {
                status,
                headers: answerHeaders,
              }),
            )
          })
        },
      )
      outgoing.on('error', (error) => reject(new TypeError('fetch failed', { cause: error })))
      outgoing.end(typeof body === 'string' ? body : undefined)
    })
  }
}

function concatenate(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.byteLength
  }
  return all
}
