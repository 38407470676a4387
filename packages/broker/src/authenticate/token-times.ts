import type { Refusal } from '../refusal.ts'

/** How far clocks may differ. */
const leewaySeconds = 30

/** When a token holds, in seconds since the epoch (RFC 7519 NumericDate). */
export interface TokenTimes {
  readonly exp: number
  readonly iat: number
}

/** Reads `exp` and `iat`, both required, and `nbf`, and compares them with now. */
export function checkTimes(
  claims: Readonly<Record<string, unknown>>,
  nowMs: number,
): { readonly ok: true; readonly value: TokenTimes } | { readonly ok: false; readonly refusal: Refusal } {
  const { exp, iat, nbf } = claims
  if (!isMoment(exp)) return fault('"exp" is missing or not a number')
  if (!isMoment(iat)) return fault('"iat" is missing or not a number')
  if (nbf !== undefined && !isMoment(nbf)) return fault('"nbf" is not a number')
  const now = nowMs / 1000
  if (exp + leewaySeconds <= now) return { ok: false, refusal: { reason: 'token_expired' } }
  // An `iat` ahead of time would also make a long life look short.
  if (iat - leewaySeconds > now || (nbf !== undefined && nbf - leewaySeconds > now)) {
    return { ok: false, refusal: { reason: 'token_not_yet_valid' } }
  }
  return { ok: true, value: { exp, iat } }
}

/** JSON can spell numbers that are infinite once parsed (`1e999`). */
function isMoment(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function fault(detail: string): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { reason: 'token_malformed', detail } }
}
