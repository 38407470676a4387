import type { ErrorCode } from '@valetkey/protocol'
import type { ConnectTokenParams } from '../request/types.ts'
import { isRetryable } from './retryable.ts'

/** What an upstream provider said about its refusal, as the issuing point passed it on. Its shape is the provider's. */
export type ConnectVendorErrorPayload = Record<string, unknown>

/** What a {@link ConnectError} is made of. */
export interface ConnectErrorOptions {
  readonly code?: ErrorCode | undefined
  readonly status?: number | undefined
  readonly statusText?: string | undefined
  readonly vendor?: ConnectVendorErrorPayload | undefined
  /** Default: what the code says. */
  readonly retryable?: boolean | undefined
  readonly requestId?: string | undefined
  readonly connector?: string | undefined
  /** Only for `UserAuthorizationRequiredError`. */
  readonly params?: ConnectTokenParams | undefined
  readonly cause?: unknown
}

const brand = /* @__PURE__ */ Symbol.for('@valetkey/sdk.ConnectError')

/**
 * The base of every error this package throws.
 *
 * `code` is contract and comes from a closed list; `message` is for people and may change. No token, request body
 * or answer's body is ever part of either.
 */
export class ConnectError extends Error {
  /** One of the codes of `@valetkey/protocol`. */
  readonly code: ErrorCode
  /** HTTP status of the issuing point's answer, when there was one. */
  declare readonly status?: number
  declare readonly statusText?: string
  /** The provider's own error, when the issuing point passed it on. */
  declare readonly vendor?: ConnectVendorErrorPayload
  /** True when the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean
  /** Names the request in the issuing point's logs and audit trail. */
  declare readonly requestId?: string
  declare readonly connector?: string

  constructor(message: string, options: ConnectErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    // Set here and not by the class's own name: minifiers rename classes, and eve matches on `name`.
    this.name = 'ConnectError'
    this.code = options.code ?? 'unavailable'
    // Recognised by `isConnectError` across duplicate copies of this package. Not enumerable: it is no news in a log.
    Object.defineProperty(this, brand, { value: true })
    this.retryable = options.retryable ?? isRetryable(this.code)
    for (const name of ['status', 'statusText', 'vendor', 'requestId', 'connector'] as const)
      if (options[name] !== undefined) Object.assign(this, { [name]: options[name] })
  }
}

/**
 * True when `value` is a {@link ConnectError}, also one of another copy of this package in the same process, where
 * `instanceof` fails. Never throws.
 */
export function isConnectError(value: unknown): value is ConnectError {
  try {
    return typeof value === 'object' && value !== null && Reflect.get(value, brand) === true
  } catch {
    return false
  }
}

/** A caller's mistake: `what` names the option, never its value. */
export function invalidRequest(what: string, connector?: string): ConnectError {
  return new ConnectError(what, { code: 'invalid_request', connector })
}

/** No identity could be had, or the one that was found must not be sent. */
export function identityUnavailable(why: string): ConnectError {
  return new ConnectError(why, { code: 'identity_unavailable' })
}

/** What answered did not speak the protocol. `what` never quotes the answer. */
export function invalidResponse(what: string, status?: number): ConnectError {
  return new ConnectError(what, { code: 'invalid_response', status })
}

/**
 * `error` as an error of this package, with the connector it is about. One that is none of ours comes from a custom
 * issuing point or a runtime: it may quote anything, so only the fact remains.
 */
export function asConnectError(error: unknown, connector: string | undefined): ConnectError {
  if (!(error instanceof ConnectError))
    return new ConnectError('The issuing point failed', { code: 'unavailable', connector })
  if (connector !== undefined && error.connector === undefined)
    (error as { connector?: string }).connector = connector
  return error
}
