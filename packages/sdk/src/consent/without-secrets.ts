import { ConnectError } from '../errors/connect-error.ts'

/**
 * `error`, or one with no more than its code and status where an issuing point plays one of `secrets` back, in
 * whichever field.
 */
export function withoutSecrets(error: unknown, secrets: readonly string[]): unknown {
  if (!(error instanceof ConnectError)) return error
  const { message, status, statusText, vendor, requestId, code, retryable } = error
  const text = JSON.stringify([message, statusText, vendor, requestId])
  // As they stand in JSON, without the quotes around them.
  if (!secrets.some((secret) => text.includes(JSON.stringify(secret).slice(1, -1)))) return error
  return new ConnectError(`The issuing point answered ${status ?? 'with an error'}`, {
    code,
    status,
    retryable,
  })
}
