import { describe, expect, it } from 'vitest'
import type { Refusal } from '../refusal.ts'
import { exchangeError } from './exchange-error.ts'

const message = 'm'

describe('the error of a refused token exchange', () => {
  it.each<[Refusal, number, string]>([
    [{ reason: 'credential_missing' }, 400, 'invalid_request'],
    [{ reason: 'signature_invalid', detail: 'd' }, 400, 'invalid_request'],
    [{ reason: 'token_expired' }, 400, 'invalid_request'],
    [{ reason: 'identity_ambiguous' }, 400, 'invalid_request'],
    [{ reason: 'connector_not_linked' }, 400, 'invalid_target'],
    [{ reason: 'credential_absent', message }, 400, 'invalid_target'],
    [{ reason: 'above_ceiling', part: 'scopes a, b' }, 400, 'invalid_scope'],
    [{ reason: 'above_ceiling', part: 'resources r' }, 400, 'invalid_target'],
    [{ reason: 'above_ceiling', part: 'subject user' }, 400, 'invalid_request'],
    [
      { reason: 'above_ceiling', part: 'authorizationDetails of type t' },
      400,
      'invalid_authorization_details',
    ],
    [{ reason: 'above_ceiling', part: 'permissions contents:write' }, 400, 'invalid_authorization_details'],
    [{ reason: 'above_grant', message }, 400, 'invalid_scope'],
    [{ reason: 'full_access_not_allowed' }, 400, 'invalid_authorization_details'],
    [{ reason: 'request_invalid', message: 'scopes: not something' }, 400, 'invalid_scope'],
    [{ reason: 'request_invalid', message: 'resources: not something' }, 400, 'invalid_target'],
    [{ reason: 'request_invalid', message: 'subject.id: too long' }, 400, 'invalid_request'],
    [{ reason: 'request_invalid', message: 'anything else' }, 400, 'invalid_request'],
    [{ reason: 'consent_required', message }, 400, 'interaction_required'],
    [{ reason: 'installation_required', message }, 400, 'interaction_required'],
    [{ reason: 'provider_refused', message }, 400, 'access_denied'],
    [{ reason: 'body_too_large' }, 413, 'invalid_request'],
    [{ reason: 'rate_limited', retryAfterSeconds: 7 }, 429, 'temporarily_unavailable'],
    [{ reason: 'provider_fault', message }, 502, 'server_error'],
    [{ reason: 'issuer_unreachable', detail: 'd' }, 503, 'temporarily_unavailable'],
    [{ reason: 'unavailable', message }, 503, 'temporarily_unavailable'],
    [{ reason: 'revoked_meanwhile' }, 503, 'temporarily_unavailable'],
  ])('for %o is %i %s', (refusal, status, code) => {
    expect(exchangeError(refusal, { hasDetails: false })).toMatchObject({ status, code })
  })

  it('names the details where they were asked for', () => {
    const refusal: Refusal = { reason: 'above_grant', message }
    expect(exchangeError(refusal, { hasDetails: true }).code).toBe('invalid_authorization_details')
    const unknown: Refusal = { reason: 'request_invalid', message: 'authorizationDetails: no type "t"' }
    expect(exchangeError(unknown, { hasDetails: true }).code).toBe('invalid_authorization_details')
  })

  it('says when to ask again wherever that may help', () => {
    expect(
      exchangeError({ reason: 'rate_limited', retryAfterSeconds: 7 }, { hasDetails: false }),
    ).toMatchObject({ retryAfterSeconds: 7 })
    expect(exchangeError({ reason: 'revoked_meanwhile' }, { hasDetails: false }).retryAfterSeconds).toBe(1)
  })

  it('is the same for every identity that was not accepted: a prober learns nothing', () => {
    const answers = (['issuer_untrusted', 'audience_mismatch', 'claims_unmatched'] as const).map((reason) =>
      exchangeError({ reason }, { hasDetails: false }),
    )
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
  })
})
