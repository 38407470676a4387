import { ConnectError, invalidResponse } from '../errors/connect-error.ts'

/**
 * What went wrong as openid-client tells it, as an error of this package. It wraps the errors of the `fetch` it is
 * given; its own are about the answer, which they hold and which is left behind.
 */
export function asExchangeError(error: unknown, otherwise: string): ConnectError {
  if (error instanceof ConnectError) return error
  if (error instanceof Error && error.cause instanceof ConnectError) return error.cause
  return invalidResponse(otherwise)
}
