import { spawn } from 'node:child_process'

/** What a program left behind. */
export interface Finished {
  /** `null` when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; its exit status is the caller's to judge. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const written = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        written[name] += chunk
      })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...written }))
  })
}

/** Runs a program that must succeed and returns its stdout. */
export async function succeed(...[program, args, options]: Parameters<typeof run>): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} exited with ${code}: ${stderr}${stdout}`)
  return stdout
}
