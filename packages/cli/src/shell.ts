import type { ConnectSdk } from './identity/sdk.ts'

/** The broker's functions for its own host. Loading them loads its database: only when a command needs them. */
export type HostModule = typeof import('@valetkey/broker/host')
/** The broker's offline check of an audit export. */
export type AuditModule = typeof import('@valetkey/broker/audit')

/** The SDK's report of the identity it would use. */
export type IdentityReportModule = Pick<typeof import('@valetkey/sdk/identity'), 'reportIdentity'>

/** A stream that people or programs read. */
export interface OutputStream {
  readonly isTTY?: boolean
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): boolean
}

/** A stream that people or programs write. */
export interface InputStream extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean
}

/** A signal that asks a long-running command to stop. */
export type StopSignal = 'SIGINT' | 'SIGTERM'

/** Everything a command finds around it; nothing below reads `process`. */
export interface Shell {
  /** Without the interpreter and the script. */
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The working folder, absolute. */
  readonly folder: string
  readonly pid: number
  /** Of the Node that runs, as `20.18.1`. */
  readonly nodeVersion: string
  /** Absent where files have no owner (Windows). */
  readonly userId: number | undefined
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly fetch: typeof fetch
  now(): number
  /** Calls `listener` at every stop signal; the answer stops listening. */
  onStopSignal(listener: (signal: StopSignal) => void): () => void
  /** Ends the process at once. */
  exit(code: number): void
  loadHost(): Promise<HostModule>
  loadAudit(): Promise<AuditModule>
  loadSdk(): Promise<ConnectSdk>
  loadIdentityReport(): Promise<IdentityReportModule>
}
