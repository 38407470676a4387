import { pauseBefore } from '../http/send.ts'

const longestPauseMs = 5000

/**
 * Milliseconds to wait before poll `number + 1`. From `intervalMs` it grows by a quarter each time up to 5 s, plus up to
 * a tenth by `random`, so that processes that began together drift apart. Never earlier than `retryAfter` asks.
 */
export function pollPauseMs(
  number: number,
  intervalMs: number,
  retryAfter: string | null,
  nowMs: number,
  random: number,
): number {
  const grownMs = Math.min(intervalMs * 1.25 ** (number - 1), Math.max(longestPauseMs, intervalMs))
  const ownMs = grownMs * (1 + random / 10)
  return retryAfter === null ? ownMs : Math.max(ownMs, pauseBefore(1, retryAfter, nowMs, random))
}

/** Resolves after a pause, or as soon as `signal` is aborted. */
export function pauseUnlessAborted(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    if (signal?.aborted) end()
    else signal?.addEventListener('abort', end, { once: true })
  })
}
