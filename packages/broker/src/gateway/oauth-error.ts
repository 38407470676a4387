/** The error codes of the OAuth endpoints, from the registry that RFC 6749 §11.4 sets up. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'unsupported_grant_type'
  | 'interaction_required'
  | 'access_denied'
  | 'temporarily_unavailable'
  | 'server_error'

/** What a token endpoint answers with when it answers with no token (RFC 6749 §5.2). */
export interface OAuthError {
  readonly code: OAuthErrorCode
  /** For the developer of the client; holds nothing of a token, a secret or a provider's text. */
  readonly description: string
  readonly status: 400 | 401 | 413 | 429 | 502 | 503
  readonly retryAfterSeconds?: number
}

/** Either a value or the OAuth error there is instead. */
export type OAuthOutcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: OAuthError }

/** The bad case of an {@link OAuthOutcome}: 401 for `invalid_client`, 400 for what else the client got wrong. */
export function fail(
  code: Exclude<OAuthErrorCode, 'temporarily_unavailable' | 'server_error'>,
  description: string,
): { readonly ok: false; readonly error: OAuthError } {
  return { ok: false, error: { code, description, status: code === 'invalid_client' ? 401 : 400 } }
}

/** The error for a parameter that was sent more than once. */
export function failRepeated(name: string): { readonly ok: false; readonly error: OAuthError } {
  const shown = /^[a-z_]{1,40}$/.test(name) ? name : 'a parameter'
  return fail('invalid_request', `${shown} was sent more than once`)
}
