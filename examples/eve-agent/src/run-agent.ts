import { spawn } from 'node:child_process'
import { cp, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const example = fileURLToPath(new URL('..', import.meta.url))
const eve = join(dirname(createRequire(import.meta.url).resolve('eve/package.json')), 'bin/eve.js')

/** One event of a session's stream. */
export interface AgentEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** eve's development server, with the agent of this example. */
export interface RunningAgent {
  readonly url: string
  /** What it printed. */
  log(): string
  /** Starts a session as the owner of `key`, with its first message. */
  start(key: string, message: string): Promise<AgentSession>
  stop(): Promise<void>
}

/** One conversation. */
export interface AgentSession {
  readonly id: string
  send(message: string): Promise<void>
  /** The next event of that type that was not waited for yet. */
  next(type: string): Promise<AgentEvent>
  /** Everything so far. */
  readonly events: readonly AgentEvent[]
}

/** Starts the agent in `folder`, into which it is copied: eve writes beside its sources. */
export async function runAgent(
  folder: string,
  variables: Readonly<Record<string, string>>,
): Promise<RunningAgent> {
  await cp(join(example, 'agent'), join(folder, 'agent'), { recursive: true })
  // eve knows a project by its dependency on eve.
  await cp(join(example, 'package.json'), join(folder, 'package.json'))
  await symlink(join(example, 'node_modules'), join(folder, 'node_modules'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(
    process.execPath,
    [eve, 'dev', '--no-ui', '--no-default-extensions', '--host', '127.0.0.1', '--port', String(port)],
    {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, EVE_TELEMETRY_DISABLED: '1', NO_COLOR: '1', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      log = `${log}${String(chunk)}`.slice(-100_000)
    })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async () => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(timer)
  }
  const deadline = Date.now() + 100_000
  while (!log.includes('server listening')) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error(`eve did not start: ${log}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { url, log: () => log, start: (key, message) => startSession(url, key, message), stop }
}

async function startSession(url: string, key: string, message: string): Promise<AgentSession> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const post = async (path: string, text: string) => {
    const answer = await fetch(`${url}/eve/v1/session${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ message: text }),
    })
    if (!answer.ok) throw new Error(`eve answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as { sessionId: string }
  }
  const { sessionId: id } = await post('', message)
  const events: AgentEvent[] = []
  const waiting = new Set<() => void>()
  const told = new Map<string, number>()
  const read = async () => {
    const answer = await fetch(`${url}/eve/v1/session/${id}/stream`, { headers })
    if (answer.body === null) throw new Error(`eve gave no stream, status ${answer.status}`)
    let rest = ''
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = `${rest}${text}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.trim() !== '') events.push(JSON.parse(line) as AgentEvent)
      for (const wake of waiting) wake()
    }
  }
  // It ends with the server; what was not seen by then is missed by `next`.
  read().catch(() => {})
  return {
    id,
    events,
    async send(text) {
      await post(`/${id}`, text)
    },
    async next(type) {
      const from = told.get(type) ?? 0
      const deadline = Date.now() + 20_000
      for (;;) {
        const found = events.filter((event) => event.type === type)[from]
        if (found !== undefined) {
          told.set(type, from + 1)
          return found
        }
        const leftMs = deadline - Date.now()
        if (leftMs <= 0)
          throw new Error(`No ${type} came, but ${events.map((event) => event.type).join(', ')}`)
        await new Promise<void>((resolve) => {
          const wake = () => {
            clearTimeout(timer)
            waiting.delete(wake)
            resolve()
          }
          const timer = setTimeout(wake, leftMs)
          waiting.add(wake)
        })
      }
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject()))
    })
  })
}
