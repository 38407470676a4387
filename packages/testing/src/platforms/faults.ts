import type { PlatformFault } from './fake-platform.ts'
import type { PlatformAnswer } from './http-server.ts'

/** What is wrong with a platform at the moment. */
export interface Faults {
  set(fault?: PlatformFault, times?: number): void
  /** The fault of the answer that is given now; one of the times is used up. */
  take(): PlatformFault | undefined
}

const onlyOfAnswers: readonly PlatformFault[] = ['hang', 'rate-limited', 'unavailable', 'redirect']

/** Starts well. `isAsked`: whether anything answers at all, or the token lies in a variable or a file. */
export function createFaults(isAsked: boolean): Faults {
  let current: PlatformFault | undefined
  let left = 0
  return {
    set(fault, times = Number.POSITIVE_INFINITY) {
      if (!isAsked && fault !== undefined && onlyOfAnswers.includes(fault))
        throw new TypeError(`${fault}: this platform gives its token beforehand, and answers nothing`)
      current = fault
      left = times
    },
    take() {
      if (left <= 0) return undefined
      left--
      return current
    },
  }
}

/** What a faulty platform answers: undefined for nothing at all, `well` where the fault is in the token if anywhere. */
export function faultyAnswer(
  fault: PlatformFault | undefined,
  address: string,
): PlatformAnswer | 'well' | undefined {
  switch (fault) {
    case 'hang':
      return undefined
    case 'garbage':
      return { body: '<html>not what was asked for</html>', headers: { 'content-type': 'text/html' } }
    case 'rate-limited':
      return { status: 429, headers: { 'retry-after': '1' } }
    case 'unavailable':
      return { status: 503 }
    // To itself: whoever follows it is asked() for again, and may even be given a token.
    case 'redirect':
      return { status: 307, headers: { location: address } }
    case 'refuses':
      return { status: 403 }
    case 'wrong-audience':
    case 'expired':
    case undefined:
      return 'well'
  }
}
