import { type AuthorizationStatus, type ConnectError, isConnectError } from '@valetkey/sdk'
import { ConnectionAuthorizationFailedError, ConnectionAuthorizationRequiredError } from 'eve/connections'
import type { AuthorizationPhase, ConnectAuthorizationOptions } from './types.ts'

/** What is known about a failure beside the error. */
export interface Failure {
  readonly phase: AuthorizationPhase
  /** How far the consent had come. */
  readonly status?: AuthorizationStatus['status'] | undefined
}

/**
 * An error as eve understands it: consent is needed, or authorization failed, with a reason. Errors that are not of
 * the issuing point stay as they are.
 */
export function translate(error: unknown, failure: Failure, options: ConnectAuthorizationOptions): unknown {
  const own = options.onError?.(error, failure.phase)
  if (own instanceof Error) return own
  if (!isConnectError(error)) return error
  const { connector, principalType } = options
  const { message } = error
  const needsGrant = error.code === 'user_authorization_required' || error.code === 'no_token'
  if (needsGrant && principalType !== 'app' && failure.phase === 'getToken')
    return new ConnectionAuthorizationRequiredError(connector, { message })
  if (needsGrant && principalType === 'app') return failed(connector, message, 'app_not_installed', false)
  const { reason, retryable } =
    failure.phase === 'completeAuthorization' ? ended(error, failure) : plain(error)
  return failed(connector, message, reason, retryable)
}

/** eve's error for an authorization that did not come about. `retryable`: asking the person again may help. */
export function failed(connector: string, message: string, reason: string, retryable: boolean): Error {
  return new ConnectionAuthorizationFailedError(connector, { message, reason, retryable })
}

interface Ending {
  readonly reason: string
  readonly retryable: boolean
}

function plain({ code, retryable }: ConnectError): Ending {
  return { reason: code, retryable }
}

function ended(error: ConnectError, { status }: Failure): Ending {
  switch (status) {
    case 'denied':
      return { reason: 'access_denied', retryable: false }
    case 'expired':
      return { reason: 'authorization_expired', retryable: true }
    case 'pending':
    case 'consented':
      // Whatever called back, it was not the end of this consent.
      return error.code === 'timeout' ? { reason: 'authorization_pending', retryable: true } : plain(error)
    case 'active':
    case 'error':
    case undefined:
      return plain(error)
  }
}
