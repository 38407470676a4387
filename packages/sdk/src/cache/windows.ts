/** When a cached token is good as it is, when it is renewed, and when it is waited for. */
export interface Windows {
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number
  /** Half of the token's life: what no validity buffer exceeds. */
  readonly halfLifeMs: number
  /** How long before it starts to expire the token is renewed in the background. */
  readonly ageingMs: number
}

/** `fresh`: return it. `ageing`: return it and renew behind the caller's back. `expiring`: wait. `expired`: useless. */
export type TokenState = 'fresh' | 'ageing' | 'expiring' | 'expired'

/** The validity buffer of calls that name none. */
export const defaultValidityBufferMs = 30_000
const maxAgeingMs = 300_000

/**
 * The windows of a token that was first seen at `firstSeenMs`. `random` (0 to 1) shortens the ageing window by up to a
 * fifth, so that processes that got their tokens together do not renew together.
 */
export function windowsOf(expiresAtMs: number, firstSeenMs: number, random: number): Windows {
  const lifeMs = Math.max(0, expiresAtMs - firstSeenMs)
  return {
    expiresAtMs,
    halfLifeMs: lifeMs / 2,
    ageingMs: Math.min(lifeMs / 5, maxAgeingMs) * (1 - random / 5),
  }
}

/** The state of a token for a caller that wants `validityBufferMs` of life left. */
export function tokenState(windows: Windows, validityBufferMs: number, nowMs: number): TokenState {
  const expiringAtMs = windows.expiresAtMs - Math.min(validityBufferMs, windows.halfLifeMs)
  if (nowMs < expiringAtMs - windows.ageingMs) return 'fresh'
  if (nowMs < expiringAtMs) return 'ageing'
  return nowMs < windows.expiresAtMs ? 'expiring' : 'expired'
}

/**
 * Milliseconds to leave the issuing point alone after a background renewal that brought nothing new. A tenth of what
 * is left, so that an outage costs few calls and the last part of the life is still used for several attempts.
 */
export function renewalPauseMs(expiresAtMs: number, nowMs: number): number {
  return Math.min(30_000, Math.max(1000, (expiresAtMs - nowMs) / 10))
}
