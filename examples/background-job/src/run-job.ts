import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { seen } from '@valetkey/example-support'

/** The job, as a process of its own. */
export interface RunningJob {
  /** Resolves with the next line it prints that holds `text`; throws when it ends before that. */
  says(text: string): Promise<string>
  /** Sends SIGTERM and resolves with its exit code. */
  terminate(): Promise<number | null>
}

const program = fileURLToPath(new URL('./job.ts', import.meta.url))

/** Starts it with nothing in its environment but what `env pull` wrote and `variables`. */
export function runJob(folder: string, variables: Readonly<Record<string, string>>): RunningJob {
  const child = spawn(process.execPath, ['--env-file=.env.local', program], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => seen(line))
  return {
    async says(text) {
      const said = new Promise<string>((resolve) => {
        lines.on('line', (line) => line.includes(text) && resolve(line))
      })
      const gone = ended.then((code) => {
        throw new Error(`The job exited with ${code} before it said "${text}"`)
      })
      return Promise.race([said, gone])
    },
    terminate() {
      child.kill('SIGTERM')
      return ended
    },
  }
}
