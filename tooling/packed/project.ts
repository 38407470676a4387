import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Finished, run, succeed } from './run.ts'
import type { Tarball } from './tarballs.ts'

/** The Node that users have: the one that started the scripts, before they brought their own. */
export const userNode: string = process.env.VALETKEY_TEST_NODE ?? process.execPath

/** An empty project of a user who installed the packages, with that user's Node and npm. */
export interface Project {
  readonly folder: string
  /** What npm said while it installed. */
  readonly installed: Finished
  /** Runs a program with the user's Node first in the PATH and nothing of ours in the environment. */
  run(
    program: string,
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ): Promise<Finished>
  /** Runs an ES module in the project and returns what it wrote to stdout. */
  script(source: string, variables?: Readonly<Record<string, string>>): Promise<string>
  /** Starts `npx valetkey …` and waits for its `ready` line. */
  startBroker(...args: readonly string[]): Promise<RunningBroker>
}

/** A broker started in a {@link Project}. */
export interface RunningBroker {
  readonly url: string
  /** Resolves with the exit status. */
  stop(): Promise<number | null>
}

/** Installs the tarballs with npm into a new project below `folder`, with an empty home and an empty cache. */
export async function installProject(folder: string, tarballs: readonly Tarball[]): Promise<Project> {
  const project = join(folder, 'project')
  const home = join(folder, 'home')
  await mkdir(project)
  await mkdir(home)
  await writeFile(join(project, 'package.json'), '{ "name": "app", "private": true, "type": "module" }\n')
  const env = await userEnvironment(home, folder)
  const options = ['--no-audit', '--no-fund', '--loglevel', 'warn']
  const paths = tarballs.map(({ path }) => path)
  const installed = await run('npm', ['install', ...options, ...paths], { cwd: project, env })
  if (installed.code !== 0) throw new Error(`npm install exited with ${installed.code}: ${installed.stderr}`)

  return {
    folder: project,
    installed,
    run: (program, args, variables) => run(program, args, { cwd: project, env: { ...env, ...variables } }),
    async script(source, variables) {
      const path = join(project, `script-${Math.random().toString(36).slice(2)}.mjs`)
      await writeFile(path, source)
      return await succeed(userNode, [path], { cwd: project, env: { ...env, ...variables } })
    },
    startBroker: (...args) => startBroker(args, { cwd: project, env }),
  }
}

/** The PATH with the user's Node first, and npm's settings: no credential, no variable of the workspace. */
async function userEnvironment(home: string, folder: string): Promise<NodeJS.ProcessEnv> {
  const path = `${dirname(userNode)}${delimiter}${process.env.PATH ?? ''}`
  // What a package manager that started us put there describes it, not the user's npm.
  const settings = Object.entries(process.env).filter(
    ([name]) =>
      /^npm_config_/i.test(name) && !/^npm_config_(user_agent|prefix|global|node|verify_deps)/i.test(name),
  )
  const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']
  const env: NodeJS.ProcessEnv = { PATH: path, HOME: home, NO_COLOR: '1' }
  for (const name of [...proxies, 'NODE_EXTRA_CA_CERTS', 'TMPDIR'])
    if (process.env[name] !== undefined) env[name] = process.env[name]
  Object.assign(env, Object.fromEntries(settings))
  // The user's own ~/.npmrc is not seen with another home; only the registry in it matters.
  const npm = { cwd: home, env: { ...process.env, PATH: path } }
  env.npm_config_registry = (await succeed('npm', ['config', 'get', 'registry'], npm)).trim()
  env.npm_config_cache = join(folder, 'npm-cache')
  env.npm_config_update_notifier = 'false'
  return env
}

async function startBroker(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<RunningBroker> {
  // The command itself rather than npx, which does not pass every signal on.
  const command = join(options.cwd, 'node_modules', '.bin', 'valetkey')
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log = `${log}${chunk}`.slice(-4_000)
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('ready ')) resolve(line.slice('ready '.length))
    })
    child.once('error', reject)
    void ended.then((code) => reject(new Error(`valetkey ${args[0]} exited with ${code}: ${log}`)))
  })
  return {
    url,
    async stop() {
      child.kill('SIGTERM')
      return await ended
    },
  }
}
