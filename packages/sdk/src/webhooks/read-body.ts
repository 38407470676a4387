import { ConnectError, invalidRequest } from '../errors/connect-error.ts'

const maxBodyBytes = 1_048_576

/** The body of a request, read once and no further than 1 MiB. */
export async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  if (request.bodyUsed)
    throw invalidRequest('The request was read already: pass it on unread, or a clone of it')
  if (request.body === null) return new Uint8Array()
  const reader = request.body.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return joined(chunks, length)
      chunks.push(value)
      length += value.byteLength
      if (length > maxBodyBytes) {
        // Not awaited: a sender that never stops must not keep the call.
        reader.cancel().catch(() => {})
        throw new ConnectError('The webhook is larger than 1 MiB', { code: 'too_large' })
      }
    }
  } catch (error) {
    if (error instanceof ConnectError) throw error
    throw new ConnectError('The webhook broke off before its end', { code: 'unavailable' })
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.byteLength
  }
  return body
}
