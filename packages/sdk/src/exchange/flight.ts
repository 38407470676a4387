import type { TokenResponse } from '@valetkey/protocol'
import { ConnectError } from '../errors/connect-error.ts'
import type { CheckedRequest } from '../request/token-request.ts'

/** One exchange under way, and how many wait for it. */
export interface Flight {
  readonly request: CheckedRequest
  readonly controller: AbortController
  readonly startedAtMs: number
  promise: Promise<TokenResponse>
  waiters: number
  /** When the last waiter gives up, on the clock of `performance.now()`. */
  deadlineMs: number
  /** From here on the answer may be older than a call that arrives. */
  sent: boolean
  /** Evicted meanwhile: its answer goes to those who waited, and not into the cache. */
  detached: boolean
  /** The answer, or the error, is there. */
  landed: boolean
  /** The exchange that calls which may not take this one's answer wait for. */
  next: Flight | undefined
}

/** How one caller waits. */
export interface Wait {
  /** What is left of `limitMs`. */
  readonly timeoutMs: number
  /** What the caller asked for. */
  readonly limitMs: number
  readonly signal: AbortSignal | undefined
  readonly connector: string | undefined
}

/**
 * Waits for `promise` as long as this caller wants to, which leaves it running for the others.
 *
 * @throws {ConnectError} `timeout` or `aborted`, besides what `promise` rejects with.
 */
export function waitFor<Result>(
  promise: Promise<Result>,
  wait: Wait,
  onSettled?: () => void,
): Promise<Result> {
  const { signal, connector } = wait
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      onSettled?.()
    }
    const onAbort = (): void => {
      settle()
      reject(aborted(connector))
    }
    const timer = setTimeout(() => {
      settle()
      reject(timedOut(wait))
    }, wait.timeoutMs)
    promise.then(
      (result) => {
        settle()
        resolve(result)
      },
      (error: unknown) => {
        settle()
        reject(error)
      },
    )
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Waits for a flight. When the last waiter has left, the flight is cancelled and `abandon` is called. */
export function waitForFlight(flight: Flight, wait: Wait, abandon: () => void): Promise<TokenResponse> {
  flight.waiters++
  flight.deadlineMs = Math.max(flight.deadlineMs, performance.now() + wait.timeoutMs)
  let settled = false
  return waitFor(flight.promise, wait, () => {
    if (settled) return
    settled = true
    if (--flight.waiters > 0 || flight.landed) return
    abandon()
    flight.controller.abort()
  })
}

export function aborted(connector: string | undefined): ConnectError {
  return new ConnectError('The call was aborted by its signal', { code: 'aborted', connector })
}

export function timedOut(wait: Wait): ConnectError {
  return new ConnectError(`No answer within ${Math.round(wait.limitMs)} ms`, {
    code: 'timeout',
    connector: wait.connector,
  })
}
