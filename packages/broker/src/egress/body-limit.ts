import type { Call } from './egress-fetch.ts'

/**
 * Passes a body on until it has `maxBytes`, then errors and ends the connection. Counted after decompression, so
 * that a small compressed body can't become a large one.
 */
export function limitBody(
  source: ReadableStream<Uint8Array>,
  options: { readonly maxBytes: number; readonly tooLarge: () => Error; readonly call: Call },
): ReadableStream<Uint8Array> {
  const { maxBytes, tooLarge, call } = options
  const reader = source.getReader()
  let seen = 0
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (done) {
          call.end()
          controller.close()
          return
        }
        seen += value.byteLength
        if (seen > maxBytes) throw tooLarge()
        controller.enqueue(value)
      } catch (error) {
        call.end()
        call.abort(error)
        controller.error(call.signal.reason ?? error)
      }
    },
    async cancel(reason) {
      call.end()
      await reader.cancel(reason)
    },
  })
}
