/** The body of one request, with room for the project and the punctuation, within the broker's 64 KiB. */
const maximumBytes = 60_000
/** What one request may hold. */
const maximumTokens = 1000

/** Which tokens go together, by index, in the order they came; and those that fit into no request. */
export interface Batches {
  readonly batches: readonly (readonly number[])[]
  readonly tooLarge: readonly number[]
}

/** Splits tokens into requests that the broker takes. */
export function batchesOf(tokens: readonly unknown[]): Batches {
  const batches: number[][] = []
  const tooLarge: number[] = []
  let room = 0
  tokens.forEach((token, index) => {
    // With the comma.
    const bytes = Buffer.byteLength(JSON.stringify(token)) + 1
    if (bytes > maximumBytes) {
      tooLarge.push(index)
      return
    }
    const last = batches.at(-1)
    if (last === undefined || bytes > room || last.length === maximumTokens) {
      batches.push([index])
      room = maximumBytes - bytes
    } else {
      last.push(index)
      room -= bytes
    }
  })
  return { batches, tooLarge }
}
