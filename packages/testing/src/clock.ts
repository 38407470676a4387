/** A clock that stands still until it is moved. Its functions need no `this`. */
export interface Clock {
  /** Milliseconds since the epoch: what `createClient`, `mockIssuingPoint` and the fakes take as `now`. */
  now(): number
  /** Moves it by `ms` milliseconds, not below zero: time that runs backwards has to be asked for with `set`. */
  advance(ms: number): void
  /** Moves it to `ms` milliseconds since the epoch, in either direction. */
  set(ms: number): void
}

/**
 * A clock for tests, which stands at `startMs` (default: the present) until it is moved.
 *
 * It moves what reads it and nothing else: timers, `Date` and `AbortSignal.timeout` go on in real time. So a token is as
 * old as the clock says, while a timeout or a pause between two attempts takes as long as it takes.
 *
 * @throws {TypeError} for what is no finite number.
 */
export function createClock(startMs: number = Date.now()): Clock {
  let nowMs = finite(startMs, 'createClock: startMs')
  return {
    now: () => nowMs,
    advance(ms) {
      if (finite(ms, 'advance: ms') < 0) throw new TypeError('advance: ms must not be negative')
      nowMs += ms
    },
    set(ms) {
      nowMs = finite(ms, 'set: ms')
    },
  }
}

function finite(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new TypeError(`${name} must be a finite number of milliseconds`)
  return value
}
