import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/**
 * Starts the app `program` in `folder`, with nothing in its environment but what `env pull` wrote there and `variables`,
 * and waits for its line `ready`.
 */
export async function runApp(
  folder: string,
  program: URL,
  variables: Readonly<Record<string, string>>,
): Promise<{ stop(): Promise<void> }> {
  const child = spawn(process.execPath, ['--no-warnings', '--env-file=.env.local', fileURLToPath(program)], {
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
