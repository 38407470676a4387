/** Levels of {@link Log}, most to least severe. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

/**
 * Where the broker says what it does. `fields` are plain data without secrets: every caller of a log names its
 * fields one by one and never passes a request, a response or an error object.
 */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void

/** Says nothing. */
export const silentLog: Log = () => {}
