import type { CheckedFailure } from './check-options.ts'
import type { Refusal } from './wire.ts'
import { answerOf, notLinked, refuse } from './wire.ts'

/** What goes wrong, and how often still. */
export interface Failures {
  replace(failures: readonly CheckedFailure[]): void
  /** The failure of a call, which counts as one of its `times`. */
  take(connector: string | undefined): CheckedFailure | undefined
}

export function createFailures(first: readonly CheckedFailure[]): Failures {
  let present: { failure: CheckedFailure; left: number }[] = []
  const replace = (failures: readonly CheckedFailure[]): void => {
    present = failures.map((failure) => ({ failure, left: failure.times ?? Number.POSITIVE_INFINITY }))
  }
  replace(first)
  return {
    replace,
    take(connector) {
      const found = present.find(
        ({ failure, left }) =>
          left > 0 && (failure.connector === undefined || failure.connector === connector),
      )
      if (found === undefined) return undefined
      found.left -= 1
      return found.failure
    },
  }
}

/** A failure as an answer, or none: then the connection breaks. */
export async function answerOfFailure(
  { code, retryAfterSeconds }: CheckedFailure,
  signal: AbortSignal,
): Promise<Response | undefined> {
  switch (code) {
    case 'network-error':
      return undefined
    case 'hang':
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        else signal.addEventListener('abort', () => resolve(), { once: true })
      })
      return undefined
    case 'garbage':
      return new Response('<!doctype html><title>Not an issuing point</title>', {
        headers: { 'content-type': 'text/html' },
      })
    default: {
      const refusal: Refusal = {
        // What published clients match on is said here too.
        ...refuse(code, code === 'forbidden' ? notLinked : undefined).refusal,
        retryAfterSeconds: retryAfterSeconds ?? (code === 'rate_limited' ? 1 : undefined),
      }
      return answerOf({ refusal })
    }
  }
}
