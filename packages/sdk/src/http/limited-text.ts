import { invalidResponse } from '../errors/connect-error.ts'

/** The most that is read of any answer, after decompression. */
export const maxAnswerBytes = 262_144

/**
 * The body of an answer as text, read no further than `limit` bytes.
 *
 * @throws {ConnectError} `invalid_response` when there is more. A fault of the transport throws as it came.
 */
export async function limitedText(response: Response, limit: number = maxAnswerBytes): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let left = limit
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    left -= value.byteLength
    if (left < 0) {
      // Not awaited: a sender that never stops must not keep the call.
      reader.cancel().catch(() => {})
      throw invalidResponse(`The answer is larger than ${limit / 1024} KiB`, response.status)
    }
    text += decoder.decode(value, { stream: true })
  }
}
