import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A server in a process of its own. */
export interface Child {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** Starts a script of this folder and waits for its `ready <url>` line. */
export async function startChild(
  script: string,
  environment: Readonly<Record<string, string>>,
): Promise<Child> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=@valetkey/source',
      '--disable-warning=ExperimentalWarning',
      fileURLToPath(new URL(script, import.meta.url)),
    ],
    {
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let log = ''
  child.stderr.on('data', (chunk) => {
    log = `${log}${String(chunk)}`.slice(-4_000)
  })
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [word, address] = line.split(' ')
      if (word === 'ready' && address !== undefined) resolve(address)
    })
    child.once('exit', (code) => reject(new Error(`${script} exited with ${code}: ${log}`)))
  })
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      const stopped = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await stopped
    },
  }
}
