import { pino } from 'pino'
import type { Log, LogLevel } from '../log.ts'

/** One JSON object a line, with `level`, `time` (ISO 8601) and `msg`. */
export function createJsonLog(destination: 'stdout' | 'stderr', level: LogLevel = 'info'): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: destination === 'stdout' ? 1 : 2, sync: true }),
  )
  return (at, message, fields) => logger[at](fields ?? {}, message)
}
