import type { ErrorCode } from '@valetkey/protocol'
import { ConnectError } from '../errors/connect-error.ts'
import { UserAuthorizationRequiredError } from '../errors/refusals.ts'
import { isWireCode } from '../errors/wire-codes.ts'
import type { AuthorizationStatus } from './types.ts'

const happened = {
  denied: 'The authorization was denied',
  error: 'The authorization failed',
  expired: 'The authorization expired before it was completed',
} as const

/** The error for a consent that ended without a grant, or undefined while it may still become one. */
export function outcomeError({ status, error }: AuthorizationStatus): ConnectError | undefined {
  if (status !== 'denied' && status !== 'error' && status !== 'expired') return undefined
  const code = codeOf(status, error?.code)
  const why = error === undefined || error.message === '' ? '' : `: ${error.message.slice(0, 500)}`
  // Whatever the code says of other calls, asking once more about this request changes nothing.
  const options = { code, retryable: false }
  return code === 'user_authorization_required'
    ? new UserAuthorizationRequiredError(`${happened[status]}${why}`, options)
    : new ConnectError(`${happened[status]}${why}`, options)
}

function codeOf(status: 'denied' | 'error' | 'expired', code: string | undefined): ErrorCode {
  // What is missing is still what `getToken` will say is missing.
  if (status !== 'error') return 'user_authorization_required'
  return code !== undefined && isWireCode(code) ? code : 'provider_refused'
}
