import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** What a limit says to one attempt. */
export type Verdict =
  | { readonly ok: true }
  | {
      readonly ok: false
      /** Until the window ends: whole seconds, at least 1. */
      readonly retryAfterSeconds: number
      /** True once in a window: the refusal that is worth a record of its own. */
      readonly first: boolean
    }

/** So many attempts a key in a fixed window, which begins with the first. */
export interface WindowLimit {
  /** Counts an attempt. Refused ones count too and change nothing: the window ends when it would have ended. */
  count(key: string): Promise<Verdict>
  /** Whether the window's attempts are used up, without counting one. */
  look(key: string): Promise<Verdict>
}

/** Where keys go that come when there is room for no more. No key that is a digest or an address looks like it. */
const others = 'others'

const allowed: Verdict = { ok: true }

/**
 * Creates a limit in this process's memory, which holds at most `maxKeys` keys: above that, new ones share one allowance
 * until a window ends. A flood of made-up keys thus limits its own like, never those that were there before.
 *
 * The library reads `Date.now` and sets a timer for each window, neither of which can be given to it; `now` only says
 * when a key's room is free again.
 */
export function createWindowLimit(options: {
  readonly attempts: number
  readonly windowSeconds: number
  readonly maxKeys: number
  readonly now: () => number
}): WindowLimit {
  const { attempts, windowSeconds, maxKeys, now } = options
  const limiter = new RateLimiterMemory({ points: attempts, duration: windowSeconds })
  /** When the window of each key ends. All are of one length, so the first in the map is the first to end. */
  const endsAtMs = new Map<string, number>()

  function roomFor(key: string): string {
    const at = now()
    for (const [known, endMs] of endsAtMs) {
      if (endMs > at) break
      endsAtMs.delete(known)
    }
    if (endsAtMs.has(key)) return key
    if (endsAtMs.size >= maxKeys) return others
    endsAtMs.set(key, at + windowSeconds * 1000)
    return key
  }

  function refused(state: RateLimiterRes): Verdict {
    const retryAfterSeconds = Math.max(1, Math.ceil(state.msBeforeNext / 1000))
    return { ok: false, retryAfterSeconds, first: state.consumedPoints === attempts + 1 }
  }

  return {
    async count(key) {
      try {
        await limiter.consume(roomFor(key))
        return allowed
      } catch (state) {
        if (state instanceof RateLimiterRes) return refused(state)
        throw state
      }
    },
    async look(key) {
      const state = await limiter.get(endsAtMs.has(key) ? key : others)
      // A window that is over stays until its timer has run, which a busy process may be late with.
      const open = state !== null && state.msBeforeNext > 0
      return open && state.consumedPoints >= attempts ? refused(state) : allowed
    },
  }
}
