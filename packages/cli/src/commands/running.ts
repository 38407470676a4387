import type { Shell } from '../shell.ts'

/** Waits for stop signals on behalf of a long-running command. */
export interface StopWatch {
  /** Resolves at the first signal, also when it came before anyone waited. */
  readonly stopped: Promise<void>
  /** Stops listening. */
  end(): void
}

const exitStatus = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * Listens for SIGINT and SIGTERM. The first asks to finish what is in flight; the second ends the process at once,
 * after `last`.
 */
export function watchForStop(shell: Shell, last: () => void = () => {}): StopWatch {
  let stop = () => {}
  let asked = false
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const end = shell.onStopSignal((signal) => {
    if (asked) {
      last()
      shell.exit(exitStatus[signal])
      return
    }
    asked = true
    stop()
  })
  return { stopped, end }
}
