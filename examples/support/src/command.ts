import { type ChildProcess, spawn } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../../packages/cli/dist/bin.js', import.meta.url))

/** A person's environment, less everything that could be a credential. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  return { PATH, HOME, NO_COLOR: '1' }
}

/** Runs `valetkey …` in a folder and returns what it printed on stdout; throws with what it said when it failed. */
export async function valetkey(folder: string, ...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [command, ...args], { cwd: folder, env: plainEnvironment() })
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    exitOf(child),
  ])
  if (code !== 0)
    throw new Error(`valetkey ${args.join(' ')} exited with ${code}: ${stderr.trim() || stdout.trim()}`)
  return stdout
}

/** Starts `valetkey dev` and waits for its `ready` line. */
export async function startBroker(folder: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [command, 'dev', '--port', '0', '--ephemeral'], {
    cwd: folder,
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk) => {
    log = `${log}${String(chunk)}`.slice(-4_000)
  })
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [word, address] = line.split(' ')
      if (word === 'ready' && address !== undefined) resolve(address)
    })
    child.once('exit', (code) =>
      reject(new Error(`valetkey dev exited with ${code} before it was ready: ${log}`)),
    )
  })
  return {
    url,
    async stop() {
      const stopped = exitOf(child)
      child.kill('SIGTERM')
      await stopped
    },
  }
}

/**
 * Runs a program with nothing in its environment but what `env pull` wrote and `variables`, and what it prints on the
 * terminal; throws when it failed.
 */
export async function runProgram(
  folder: string,
  program: URL,
  variables: Readonly<Record<string, string>> = {},
  ...args: readonly string[]
): Promise<void> {
  const child = spawn(process.execPath, ['--env-file=.env.local', fileURLToPath(program), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...variables },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const code = await exitOf(child)
  if (code !== 0) throw new Error(`${program.pathname.split('/').at(-1)} exited with ${code}`)
}

/** Registers a connector from `data`, which is in a file only for as long as the command runs. */
export async function createConnector(
  folder: string,
  service: string,
  name: string,
  data: object,
): Promise<{ readonly id: string; readonly uid: string }> {
  const file = join(folder, `${service}.json`)
  await writeFile(file, JSON.stringify(data), { mode: 0o600 })
  try {
    return JSON.parse(
      await valetkey(folder, 'connect', 'create', service, '--name', name, '--data', `@${file}`, '--json'),
    )
  } finally {
    await rm(file)
  }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}
