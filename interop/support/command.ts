import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../packages/cli/dist/bin.js', import.meta.url))

/** What a command left behind. */
export interface Finished {
  /** `null` when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** How a command is run: what it finds in its environment besides the PATH, and on stdin. */
export interface Surroundings {
  readonly variables?: Readonly<Record<string, string>>
  readonly input?: string
}

const running = new Set<ChildProcess>()

/** Ends whatever a failed test left running. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map((child) => signal(child, 'SIGKILL')))
}

function start(folder: string, args: readonly string[], { variables }: Surroundings): ChildProcess {
  if (!existsSync(command)) throw new Error('packages/cli/dist/bin.js is missing: run `npm run setup` first')
  const env = { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1', ...variables }
  const child = spawn(process.execPath, [command, ...args], { cwd: folder, env })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Runs `valetkey …` in a folder, as the built command, to its end. */
export async function valetkey(
  folder: string,
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Finished> {
  const child = start(folder, args, surroundings)
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      written[name] += chunk
    })
  child.stdin?.end(surroundings.input ?? '')
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...written }
}

/** A `valetkey dev` or `serve` that runs. */
export interface Running {
  readonly url: string
  readonly pid: number
  /** Lines of stdout and stderr so far. */
  readonly lines: readonly string[]
  /** Sends a signal and resolves with the exit status once the process has ended; `null` when killed. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** Starts a broker and waits until it says that it is ready, as text or as a line of its log. */
export async function startRunning(
  folder: string,
  args: readonly string[],
  surroundings: Surroundings = {},
): Promise<Running> {
  const child = start(folder, args, surroundings)
  child.stdin?.end()
  const lines: string[] = []
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        const found = readyUrl(line)
        if (found !== undefined) resolve(found)
      })
    }
    child.once('close', (code) =>
      reject(new Error(`valetkey ${args[0]} exited with ${code}: ${lines.join('\n')}`)),
    )
  })
  return { url, pid: child.pid ?? 0, lines, end: (name) => signal(child, name) }
}

function readyUrl(line: string): string | undefined {
  if (line.startsWith('ready ')) return line.slice('ready '.length)
  if (!line.includes('"msg":"ready"')) return undefined
  return (JSON.parse(line) as { url: string }).url
}

function signal(child: ChildProcess, name: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  child.kill(name)
  return ended
}
