import { faultName } from './issue/provider-call.ts'
import type { Log } from './log.ts'

/** Work that is done in rounds, in the background of every replica. */
export interface BackgroundWork {
  start(): void
  /** Waits for the round under way. */
  stop(): Promise<void>
  /** One round; what the timer calls. */
  runOnce(): Promise<void>
}

/** Runs `round` every so often, one at a time; a round that fails is logged and comes again. */
export function createBackgroundWork(options: {
  readonly name: string
  readonly everyMs: number
  readonly log: Log
  readonly round: () => Promise<void>
}): BackgroundWork {
  const { name, everyMs, log, round } = options
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  function tick(): void {
    if (running !== undefined) return
    running = round()
      .catch((error: unknown) => {
        // The database may be away for a while; what is due stays due.
        log('warn', 'background work could not finish its round', { work: name, fault: faultName(error) })
      })
      .finally(() => {
        running = undefined
      })
  }

  return {
    start() {
      timer = setInterval(tick, everyMs).unref()
    },
    async stop() {
      clearInterval(timer)
      await running
    },
    runOnce: round,
  }
}
