import type { WireErrorCode } from '@valetkey/protocol'

/**
 * Why a request was not answered. Data inside the broker: the audit trail keeps the reason and its detail, the
 * caller gets only what {@link answerFor} says.
 */
export type Refusal =
  | { readonly reason: 'credential_missing' }
  | { readonly reason: 'token_malformed'; readonly detail: string }
  | { readonly reason: 'issuer_untrusted' }
  | { readonly reason: 'issuer_unreachable'; readonly detail: string }
  | { readonly reason: 'signature_invalid'; readonly detail: string }
  | { readonly reason: 'audience_mismatch' }
  | { readonly reason: 'token_expired' }
  | { readonly reason: 'token_not_yet_valid' }
  | { readonly reason: 'token_lives_too_long' }
  | { readonly reason: 'claims_unmatched' }
  | { readonly reason: 'identity_ambiguous' }
  | { readonly reason: 'access_token_unknown' }
  | { readonly reason: 'role_insufficient'; readonly needed: string }
  | { readonly reason: 'workload_needed' }
  | { readonly reason: 'operator_needed' }
  | { readonly reason: 'connector_not_linked' }
  | { readonly reason: 'above_ceiling'; readonly part: string }
  | { readonly reason: 'above_grant'; readonly message: string }
  | { readonly reason: 'full_access_not_allowed' }
  | { readonly reason: 'request_invalid'; readonly message: string }
  | { readonly reason: 'not_found'; readonly what: string }
  | { readonly reason: 'conflict'; readonly message: string }
  | { readonly reason: 'body_too_large' }
  | { readonly reason: 'credential_absent'; readonly message: string }
  | { readonly reason: 'installation_required'; readonly message: string }
  | { readonly reason: 'consent_required'; readonly message: string }
  | { readonly reason: 'rate_limited'; readonly retryAfterSeconds: number }
  | { readonly reason: 'provider_refused'; readonly message: string }
  | { readonly reason: 'provider_fault'; readonly message: string }
  | { readonly reason: 'consent_unknown' }
  | { readonly reason: 'completion_mismatch' }
  | { readonly reason: 'browser_mismatch' }
  | { readonly reason: 'revoked_meanwhile' }
  | { readonly reason: 'unavailable'; readonly message: string }

/** What the caller of a refused request is told. */
export interface RefusalAnswer {
  readonly code: WireErrorCode
  readonly message: string
  readonly retryAfterSeconds?: number
}

/** Maps a refusal to the wire. No `default`: a new reason must not compile until it is mapped. */
export function answerFor(refusal: Refusal): RefusalAnswer {
  switch (refusal.reason) {
    case 'credential_missing':
      return {
        code: 'identity_invalid',
        message: 'No identity was sent: put it in "Authorization: Bearer …"',
      }
    case 'token_malformed':
    case 'issuer_untrusted':
    case 'signature_invalid':
    case 'audience_mismatch':
    case 'token_not_yet_valid':
    case 'token_lives_too_long':
    case 'claims_unmatched':
    case 'access_token_unknown':
      // One answer for all: a prober must not learn which issuers are trusted, or how far a forgery got.
      return {
        code: 'identity_invalid',
        message: 'The identity was not accepted. `valetkey project explain` says why, given the same token',
      }
    case 'token_expired':
      return { code: 'identity_expired', message: 'The identity has expired: obtain a new one' }
    case 'identity_ambiguous':
      return {
        code: 'identity_ambiguous',
        message: 'The identity matches more than one project or environment',
      }
    case 'issuer_unreachable':
      // This does tell that the issuer is trusted; a workload that can't know to try again would be worse off.
      return {
        code: 'unavailable',
        message: 'The keys of the identity issuer could not be fetched',
        retryAfterSeconds: 5,
      }
    case 'role_insufficient':
      return { code: 'forbidden', message: `This needs an access token with the role ${refusal.needed}` }
    case 'workload_needed':
      return {
        code: 'forbidden',
        message:
          "An operator's access token gets no provider token: ask with a workload's identity, or a token made by `valetkey token create --project … --environment …`",
      }
    case 'operator_needed':
      return {
        code: 'forbidden',
        message: 'This needs the access token of an operator, not the identity of a workload',
      }
    case 'connector_not_linked':
      return {
        code: 'forbidden',
        message:
          'This connector is not linked to this project and environment (connector is not linked to this project)',
      }
    case 'above_ceiling':
      return {
        code: 'above_ceiling',
        message: `The request exceeds the ceiling of the attachment: ${refusal.part}`,
      }
    case 'above_grant':
      return { code: 'above_ceiling', message: refusal.message }
    case 'full_access_not_allowed':
      return {
        code: 'above_ceiling',
        message:
          'The request names no authorizationDetails and the attachment has no ceiling: in production that would be full access. ' +
          'Narrow the request, set a ceiling, or attach with --full-access',
      }
    case 'request_invalid':
      return { code: 'invalid_request', message: refusal.message }
    case 'not_found':
      return { code: 'not_found', message: `There is no ${refusal.what}` }
    case 'conflict':
      return { code: 'conflict', message: refusal.message }
    case 'body_too_large':
      return { code: 'too_large', message: 'The body is larger than 64 KiB' }
    case 'credential_absent':
      return { code: 'no_token', message: refusal.message }
    case 'installation_required':
      return { code: 'connector_installation_required', message: refusal.message }
    case 'consent_required':
      return { code: 'user_authorization_required', message: refusal.message }
    case 'rate_limited':
      return {
        code: 'rate_limited',
        message: 'Too many requests: wait before asking again',
        retryAfterSeconds: refusal.retryAfterSeconds,
      }
    case 'provider_refused':
      return { code: 'provider_refused', message: refusal.message }
    case 'provider_fault':
      return { code: 'provider_error', message: refusal.message }
    case 'consent_unknown':
      // One answer for all: a workload must not learn of the requests of others, nor how near a verifier is.
      return {
        code: 'forbidden',
        message: 'This workload began no such request, or the verifier is not that of the request',
      }
    case 'completion_mismatch':
      return { code: 'invalid_request', message: 'The code and the subject are not those of this request' }
    case 'browser_mismatch':
      return { code: 'forbidden', message: 'Another browser was sent to the provider for this request' }
    case 'revoked_meanwhile':
      return {
        code: 'conflict',
        message:
          'The connector or its attachment changed while the token was made; it was revoked. Ask again',
      }
    case 'unavailable':
      return { code: 'unavailable', message: refusal.message, retryAfterSeconds: 1 }
  }
}

/** Either a value or the reason there is none. */
export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly refusal: Refusal }

/** The good case of an {@link Outcome}. */
export function accept<Value>(value: Value): { readonly ok: true; readonly value: Value } {
  return { ok: true, value }
}

/** The other case of an {@link Outcome}. */
export function refuse(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal }
}
