import type { BackgroundWork } from '../background.ts'
import type { Log } from '../log.ts'
import type { Outcome } from '../refusal.ts'
import type { PruneResult } from './prune.ts'
import { failureName } from './unavailable.ts'

const dayMs = 86_400_000

/** @throws {TypeError} unless it is a whole number of days, at least 1. */
export function checkRetentionDays(days: number): void {
  if (Number.isSafeInteger(days) && days >= 1) return
  throw new TypeError('auditRetentionDays must be a whole number of days, at least 1')
}

/**
 * Once a day drops what is older than so many days. Any number of replicas may do so: they begin at different minutes,
 * and where two meet all the same one of them gives way.
 */
export function createRetentionWork(options: {
  /** What is older goes. */
  readonly days: number
  /** Drops events from before a time in milliseconds since the epoch, until `signal` says to stop half way. */
  readonly prune: (before: number, signal: AbortSignal) => Promise<Outcome<PruneResult>>
  readonly now: () => number
  readonly log: Log
  /** Default: some time in the first hour. */
  readonly firstAfterMs?: number
  /** Default: a day. */
  readonly everyMs?: number
}): BackgroundWork {
  const { days, prune, now, log, everyMs = dayMs } = options
  const { firstAfterMs = Math.ceil(Math.random() * 3_600_000) } = options
  const stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  async function runOnce(): Promise<void> {
    try {
      const outcome = await prune(Math.trunc(now()) - days * dayMs, stopping.signal)
      if (outcome.ok) {
        const { dropped, chains } = outcome.value
        if (dropped > 0) log('info', 'old audit events were dropped', { dropped, chains })
        return
      }
      // Worth a look: of a trail that is not valid nothing is dropped. The problem names a chain and an event.
      const { refusal } = outcome
      log('warn', 'old audit events were not dropped', {
        reason: refusal.reason,
        ...('message' in refusal ? { problem: refusal.message } : {}),
      })
    } catch (error) {
      if (stopping.signal.aborted) return
      // The database may be away for a while; what is old stays old.
      log('warn', 'old audit events were not dropped', { reason: failureName(error) })
    }
  }

  function tick(): void {
    running ??= runOnce().finally(() => {
      running = undefined
    })
  }

  return {
    runOnce,
    start() {
      timer ??= setTimeout(() => {
        timer = setInterval(tick, everyMs).unref()
        tick()
      }, firstAfterMs).unref()
    },
    async stop() {
      // A run over a long trail takes minutes, and the next one finishes it.
      stopping.abort()
      // One function clears both kinds of timer.
      clearTimeout(timer)
      await running
    },
  }
}
