import type { OAuthError, OAuthErrorCode } from '../gateway/oauth-error.ts'
import { answerFor, type Refusal } from '../refusal.ts'

/** How long to wait where the refusal names no time. */
const retryAfterSeconds = 1

/**
 * The error of RFC 6749 §5.2 and RFC 8693 §2.2.2 for a refused token request. It tells no more than the refusal's own
 * answer does. No `default`: a new code must not compile until it is mapped.
 *
 * @param request what decides between codes for one refusal
 */
export function exchangeError(refusal: Refusal, request: { readonly hasDetails: boolean }): OAuthError {
  const answer = answerFor(refusal)
  const { code, message } = answer
  const invalid = (error: OAuthErrorCode, description = message): OAuthError => ({
    code: error,
    description,
    status: 400,
  })
  const later = (status: 429 | 503): OAuthError => ({
    code: 'temporarily_unavailable',
    description: message,
    status,
    retryAfterSeconds: answer.retryAfterSeconds ?? retryAfterSeconds,
  })
  switch (code) {
    case 'identity_invalid':
    case 'identity_expired':
    case 'identity_ambiguous':
      // RFC 8693 §2.2.2: a subject token that is invalid or unacceptable.
      return invalid('invalid_request', `subject_token: ${message}`)
    case 'forbidden':
    case 'not_found':
    case 'no_token':
      return invalid('invalid_target')
    case 'invalid_request':
      return invalid(codeForPart(refusal, request) ?? 'invalid_request')
    case 'above_ceiling':
      return invalid(
        codeForPart(refusal, request) ??
          (request.hasDetails ? 'invalid_authorization_details' : 'invalid_scope'),
      )
    case 'user_authorization_required':
      return invalid(
        'interaction_required',
        'The user has to consent first: begin with startAuthorization, or POST /v1/connect/authorize/{connector}',
      )
    case 'connector_installation_required':
      return invalid('interaction_required', message)
    case 'provider_refused':
      return invalid('access_denied')
    case 'too_large':
      return { code: 'invalid_request', description: message, status: 413 }
    case 'rate_limited':
      return later(429)
    case 'conflict':
    case 'unavailable':
      return later(503)
    case 'provider_error':
      return { code: 'server_error', description: message, status: 502 }
  }
}

/** The codes that name the part of the request which is wrong, where a refusal names its part. */
function codeForPart(
  refusal: Refusal,
  request: { readonly hasDetails: boolean },
): OAuthErrorCode | undefined {
  if (refusal.reason === 'full_access_not_allowed') return 'invalid_authorization_details'
  if (refusal.reason === 'above_ceiling') {
    const [field = ''] = refusal.part.split(' ')
    // What no list names is a part of a detail, in the driver's words.
    return codes.get(field) ?? 'invalid_authorization_details'
  }
  if (refusal.reason !== 'request_invalid') return undefined
  const [field = ''] = refusal.message.split(/[^A-Za-z]/)
  if (field === 'authorizationDetails' && !request.hasDetails) return undefined
  return codes.get(field)
}

/** RFC 6749 §5.2, RFC 8707 §2 and RFC 9396 §5. */
const codes: ReadonlyMap<string, OAuthErrorCode> = new Map<string, OAuthErrorCode>([
  ['scopes', 'invalid_scope'],
  ['resources', 'invalid_target'],
  ['authorizationDetails', 'invalid_authorization_details'],
  ['subject', 'invalid_request'],
])
