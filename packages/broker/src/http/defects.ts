import { AuditUnavailable } from '../audit/unavailable.ts'
import { DatabaseUnreachable, errorCode, isConnectionLoss } from '../store/database-unreachable.ts'

/** Serialization failures, deadlocks, cancelled statements, exhausted resources: what a second try may cure. */
const passingCode = /^(?:53...|57014|25P03|40001|40P01)$/

/** True when the same request may succeed in a moment. */
export function isPassing(error: unknown): boolean {
  if (error instanceof AuditUnavailable || error instanceof DatabaseUnreachable || isConnectionLoss(error))
    return true
  return passingCode.test(errorCode(error) ?? '')
}

/** What a log may say of an error: its class, code and stack frames. Messages may quote values of a row. */
export function describeDefect(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { error: typeof error }
  // A message may have lines that look like frames: what follows it is the stack.
  const stack = error.stack ?? ''
  const start = stack.indexOf(error.message)
  const frames = (start === -1 ? '' : stack.slice(start + error.message.length))
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim())
  return {
    error: error.name,
    ...('code' in error && typeof error.code === 'string' ? { errorCode: error.code } : {}),
    frames,
  }
}
