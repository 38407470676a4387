import type { WireErrorCode } from '@valetkey/protocol'

// A copy of the names in the protocol's table rather than an import of it: the table carries a text for every
// code, which no bundle of `getToken` needs. A test compares the two.
const wireCodes: Readonly<Record<WireErrorCode, true>> = {
  invalid_request: true,
  identity_invalid: true,
  identity_expired: true,
  identity_ambiguous: true,
  forbidden: true,
  above_ceiling: true,
  not_found: true,
  conflict: true,
  too_large: true,
  no_token: true,
  user_authorization_required: true,
  connector_installation_required: true,
  provider_refused: true,
  rate_limited: true,
  provider_error: true,
  unavailable: true,
}

/** True for a code that an issuing point may send. One that only the SDK produces is not taken from the wire. */
export function isWireCode(value: string): value is WireErrorCode {
  return Object.hasOwn(wireCodes, value)
}

/** The code for an answer whose own code is absent or unknown. The union of codes is closed, statuses are not. */
export function codeOfStatus(status: number): WireErrorCode {
  switch (status) {
    case 401:
      return 'identity_invalid'
    case 403:
      return 'forbidden'
    case 404:
    case 410:
      return 'not_found'
    case 409:
      return 'conflict'
    case 413:
      return 'too_large'
    case 422:
      return 'provider_refused'
    case 429:
      return 'rate_limited'
    case 502:
      return 'provider_error'
    default:
      return status >= 500 || status === 408 || status === 425 ? 'unavailable' : 'invalid_request'
  }
}
