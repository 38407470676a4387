import { type ConnectError, isConnectError } from '@valetkey/sdk'

/** Throws unless both are the same as JSON. */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (found !== wanted) throw new Error(`${what}: expected ${wanted}, got ${found}`)
}

/** Throws unless `text` contains each of `parts`. */
export function expectText(what: string, text: string, ...parts: readonly string[]): void {
  for (const part of parts)
    if (!text.includes(part)) throw new Error(`${what}: expected ${JSON.stringify(part)} in: ${text}`)
}

/** The error that `promise` rejects with, which must be one of the SDK's and have this code. */
export async function expectRefusal(
  promise: Promise<unknown>,
  code: ConnectError['code'],
): Promise<ConnectError> {
  const outcome: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!isConnectError(outcome)) throw new Error(`expected a refusal with ${code}, got ${String(outcome)}`)
  expectEqual(`code of "${outcome.message}"`, outcome.code, code)
  return outcome
}
