import type { ErrorCode } from '@valetkey/protocol'

/**
 * Whether a refusal of an exchange says that a token of the same request, handed out before, is not to be used any
 * more. Faults pass, and a broken identity says something about the identity only: neither costs a good token.
 */
export function endsToken(code: ErrorCode): boolean {
  return (
    code === 'user_authorization_required' ||
    code === 'forbidden' ||
    code === 'above_ceiling' ||
    code === 'no_token' ||
    code === 'connector_installation_required'
  )
}
