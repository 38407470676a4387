/** A clock that a test moves; broker, issuer and provider of one test share it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** The same in whole seconds, as tokens count. */
  readonly seconds: () => number
  readonly advance: (milliseconds: number) => void
}

export function createClock(startMs: number = Date.now()): Clock {
  let at = startMs
  return {
    now: () => at,
    seconds: () => Math.floor(at / 1000),
    advance: (milliseconds) => {
      at += milliseconds
    },
  }
}
