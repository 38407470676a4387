import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A Node process of its own, for tests of what happens between processes. */
export interface TestChild {
  readonly process: ChildProcessWithoutNullStreams
  /** Resolves once the child has printed a line that starts with `start`; rejects when it ends without. */
  line(start: string): Promise<string>
  /** Resolves when the child has ended. */
  ended(): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
}

/** The URL of a module beside this file, for an `import` in a child's code. */
export function moduleUrl(relative: string): string {
  return new URL(relative, import.meta.url).href
}

/** Runs `code` as an ES module in `packages/broker`; it may import TypeScript files by URL. */
export function startChild(code: string): TestChild {
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', code], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: 'pipe',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const closed = once(child, 'close')
  return {
    process: child,
    line(start) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const found = stdout.split('\n').find((line) => line.startsWith(start))
          if (found !== undefined) resolve(found)
        }
        child.stdout.on('data', look)
        closed.then(() => {
          look()
          reject(new Error(`The child ended without "${start}": ${stdout}${stderr}`))
        }, reject)
        look()
      })
    },
    async ended() {
      await closed
      return { code: child.exitCode, stdout, stderr }
    },
  }
}
