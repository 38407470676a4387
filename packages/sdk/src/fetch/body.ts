/** A body, and whether it can be sent a second time. */
export interface Body {
  readonly value: RequestInit['body']
  readonly isReplayable: boolean
  readonly isStream: boolean
}

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>

/** The most of a `Request`'s body that is kept in memory for a second time. */
const maxKeptBytes = 1_048_576
/** How long a `Request`'s body may take to be read whole. What is in memory already takes no time. */
const maxReadMs = 100

export const noBody: Body = { value: null, isReplayable: true, isStream: false }

/** A body given as a value. Streams can be read once. */
export function bodyOfValue(value: RequestInit['body'] | null): Body {
  if (value === null || value === undefined) return noBody
  const isStream =
    typeof value === 'object' &&
    ('getReader' in value || (Symbol.asyncIterator in value && !('byteLength' in value)))
  return { value, isReplayable: !isStream, isStream }
}

/**
 * The body of a `Request`, which only shows a stream even where it was made from text: read whole where it is there
 * and small, so that it has a length and can be sent again; passed on as it comes otherwise.
 */
export async function bodyOfRequest(request: Request): Promise<Body> {
  if (request.bodyUsed) throw new TypeError('The body of this Request has been used already')
  if (request.body === null || request.body === undefined) return noBody
  const reader = request.body.getReader()
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  let pending = reader.read()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, maxReadMs, 'late')
  })
  try {
    while (length <= maxKeptBytes) {
      const result = await Promise.race([pending, late])
      if (result === 'late') break
      if (result.done) return { value: joined(chunks, length), isReplayable: true, isStream: false }
      chunks.push(result.value)
      length += result.value.byteLength
      pending = reader.read()
      // Taken up by `resumed`, maybe much later: until then its failure is nobody's, and would end the process.
      pending.catch(() => {})
    }
  } finally {
    clearTimeout(timer)
  }
  return { value: resumed(chunks, pending, reader), isReplayable: false, isStream: true }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}

/** What was read, then the chunk that was asked for, then the rest. */
function resumed(
  chunks: Uint8Array<ArrayBuffer>[],
  pending: ReturnType<Reader['read']>,
  reader: Reader,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let next: typeof pending | undefined = pending
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks.shift()
      if (chunk !== undefined) return controller.enqueue(chunk)
      const result = await (next ?? reader.read())
      next = undefined
      if (result.done) controller.close()
      else controller.enqueue(result.value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}
