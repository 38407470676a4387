import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { run } from '../run.ts'
import type { OutputStream, Shell, StopSignal } from '../shell.ts'

/** A shell in memory, in a folder of its own, with what was written to it. */
export interface TestShell extends Shell {
  readonly written: { stdout: string; stderr: string }
  /** Sends a stop signal to the command that runs. */
  signal(signal: StopSignal): void
  readonly exits: number[]
}

/** What a test may replace. */
export type ShellParts = Partial<Omit<Shell, 'stdin'>> & {
  readonly input?: string
  readonly terminal?: boolean
}

/** An empty folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'valetkey-cli-')))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Creates a {@link TestShell}; nothing of the real environment shows through. */
export function createTestShell(argv: readonly string[], parts: ShellParts = {}): TestShell {
  const { input = '', terminal = false, ...replaced } = parts
  const written = { stdout: '', stderr: '' }
  const listeners = new Set<(signal: StopSignal) => void>()
  const exits: number[] = []
  const stream = (name: 'stdout' | 'stderr'): OutputStream => ({
    isTTY: terminal,
    write(chunk, done) {
      written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
      done?.()
      return true
    },
  })
  const unexpected = (what: string) => () => Promise.reject(new Error(`${what} was not expected to be used`))
  return {
    argv,
    environment: {},
    folder: replaced.folder ?? temporaryFolder(),
    pid: 4242,
    nodeVersion: '20.18.1',
    userId: process.getuid?.(),
    stdin: Object.assign(readable(input), { isTTY: terminal }),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    fetch: unexpected('The network'),
    now: () => 1_795_292_400_000,
    onStopSignal(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    exit: (code) => exits.push(code),
    loadHost: unexpected('The host'),
    loadAudit: unexpected('The audit module'),
    loadSdk: unexpected('The SDK'),
    loadIdentityReport: () => import('@valetkey/sdk/identity'),
    ...replaced,
    written,
    exits,
    signal: (signal) => {
      for (const listener of listeners) listener(signal)
    },
  }
}

/** What a finished command left behind. */
export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command in this process. */
export async function runCommand(argv: readonly string[], parts: ShellParts = {}): Promise<Finished> {
  const shell = createTestShell(argv, parts)
  const code = await run(shell)
  return { code, ...shell.written }
}

/** A `fetch` that answers from a table of `METHOD path` and remembers what it was asked. */
export function createFakeFetch(answers: Readonly<Record<string, unknown>>): {
  readonly fetch: typeof fetch
  readonly requests: {
    readonly line: string
    readonly authorization: string | null
    readonly body: unknown
  }[]
} {
  const requests: { line: string; authorization: string | null; body: unknown }[] = []
  return {
    requests,
    async fetch(input, init) {
      const request = new Request(input, init)
      const url = new URL(request.url)
      const line = `${request.method} ${url.pathname}${url.search}`
      const text = await request.text()
      const body: unknown = text === '' ? undefined : JSON.parse(text)
      requests.push({ line, authorization: request.headers.get('authorization'), body })
      const answer = answers[line] ?? answers[`${request.method} ${url.pathname}`]
      if (answer instanceof Response) return answer
      if (answer === undefined) {
        const error = { code: 'not_found', message: `No ${line}`, requestId: 'req_1' }
        return Response.json({ error }, { status: 404 })
      }
      return Response.json(answer)
    },
  }
}

async function* readable(text: string): AsyncGenerator<Uint8Array> {
  if (text !== '') yield Buffer.from(text)
}
