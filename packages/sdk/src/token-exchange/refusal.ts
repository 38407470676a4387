import type { ErrorCode, TokenRequest } from '@valetkey/protocol'
import { ConnectError, type ConnectErrorOptions, invalidResponse } from '../errors/connect-error.ts'
import { ConnectorInstallationRequiredError, UserAuthorizationRequiredError } from '../errors/refusals.ts'
import { codeOfStatus } from '../errors/wire-codes.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import type { Answer } from '../http/send.ts'

/**
 * The error for an answer without a token (RFC 6749 §5.2, RFC 8693 §2.2.2). It names the server's error code;
 * descriptions are read for what decides between two codes of ours, and never repeated.
 */
export function refusalOf(answer: Answer, request: TokenRequest): ConnectError {
  const { status } = answer
  if (status < 400) return invalidResponse(`The token endpoint answered ${status}`, status)
  const { error, error_description: said } = parseJsonObject(answer.text) ?? {}
  const name = typeof error === 'string' && /^[a-z][a-z0-9_.-]{0,63}$/i.test(error) ? error : undefined
  const code = codeOf(name, typeof said === 'string' ? said : '', status, request)
  const { validityBufferMs: _, rejectedTokenId: __, context: ___, ...params } = request
  const options: ConnectErrorOptions = {
    code,
    status,
    statusText: answer.statusText,
    requestId: answer.headers.get('x-request-id')?.slice(0, 200),
  }
  const message = `The token endpoint answered ${status}${name === undefined ? '' : ` (${name})`}${hintOf(code, name)}`
  if (code === 'user_authorization_required')
    return new UserAuthorizationRequiredError(message, { ...options, params })
  if (code === 'connector_installation_required')
    return new ConnectorInstallationRequiredError(message, options)
  return new ConnectError(message, options)
}

function codeOf(error: string | undefined, said: string, status: number, request: TokenRequest): ErrorCode {
  if (status === 429) return 'rate_limited'
  // Whatever it says: a fault of the server passes.
  if (status >= 500) return codeOfStatus(status)
  switch (error) {
    case 'invalid_target':
    case 'unauthorized_client':
      return 'forbidden'
    case 'invalid_scope':
    case 'insufficient_scope':
    case 'invalid_authorization_details':
      return 'above_ceiling'
    case 'invalid_grant':
    case 'invalid_client':
    case 'invalid_token':
      return expiredOr('identity_invalid', said)
    case 'invalid_request':
      if (status === 413) return 'too_large'
      // RFC 8693 §2.2.2 has one code for a malformed request and for a subject token that is not accepted.
      return /^subject_token\b(?! is missing)/.test(said)
        ? expiredOr('identity_invalid', said)
        : 'invalid_request'
    case 'interaction_required':
    case 'consent_required':
    case 'login_required':
    case 'account_selection_required':
      return request.subject.type === 'user' && !/\binstall/i.test(said)
        ? 'user_authorization_required'
        : 'connector_installation_required'
    case 'access_denied':
      return status === 403 ? 'forbidden' : 'provider_refused'
    case 'unsupported_grant_type':
    case 'unsupported_token_type':
      return 'invalid_request'
    case 'slow_down':
      return 'rate_limited'
    case 'temporarily_unavailable':
    case 'server_error':
      return 'unavailable'
    default:
      return codeOfStatus(status)
  }
}

/** Where the process mints identities or reads them from a file, an expired one is obtained again. */
function expiredOr(code: ErrorCode, said: string): ErrorCode {
  return /\bexpired\b/i.test(said) ? 'identity_expired' : code
}

function hintOf(code: ErrorCode, error: string | undefined): string {
  if (error === 'invalid_client')
    return ': it does not accept this client; check clientId and how it authenticates'
  if (error === 'unsupported_grant_type') return ': it does no token exchange'
  switch (code) {
    case 'identity_invalid':
      return ': it does not accept the identity'
    case 'identity_expired':
      return ': the identity has expired'
    case 'forbidden':
      return ': it gives this workload no token for this connector'
    case 'above_ceiling':
      return ': more is asked for than it allows'
    case 'user_authorization_required':
      return ': the user has to consent first'
    default:
      return ''
  }
}
