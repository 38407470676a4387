import { cell, printable } from '../output/text.ts'
import type { HostModule, Shell } from '../shell.ts'

/** Where the broker says what it does. */
export type HostLog = Parameters<HostModule['startServer']>[0]['log']

/** A log for people: one line on stderr an event, debug left out. */
export function createConsoleLog(shell: Pick<Shell, 'stderr'>): HostLog {
  return (level, message, fields = {}) => {
    if (level === 'debug') return
    const details = Object.entries(fields).map(([name, value]) => ` ${printable(name)}=${cell(value)}`)
    const label = level === 'info' ? '' : `${level}: `
    shell.stderr.write(`${label}${printable(message)}${details.join('')}\n`)
  }
}
