import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Starts the app in `folder`, with nothing in its environment but what `env pull` wrote there and `variables`. */
export async function runApp(
  folder: string,
  variables: Readonly<Record<string, string>>,
): Promise<{ stop(): Promise<void> }> {
  const app = fileURLToPath(new URL('./app.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', '--env-file=.env.local', app], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line === 'ready' && resolve())
    child.once('exit', (code) => reject(new Error(`The app exited with ${code} before it was ready`)))
  })
  return {
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, 'localhost', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject()))
    })
  })
}
