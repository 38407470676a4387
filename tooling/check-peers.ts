// `npm run check:peers [-- mcp eve]`: whether the adapters work with the newest releases of their frameworks.
// Everything happens in a copy of this folder; nothing here changes.
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Manifest {
  readonly version?: string
  readonly peerDependencies?: Readonly<Record<string, string>>
  devDependencies?: Record<string, string>
}

const root = process.cwd()
const adapters = readdirSync(join(root, 'packages/adapters'))
const wanted = process.argv.slice(2).filter((argument) => argument !== '--')
for (const name of wanted)
  if (!adapters.includes(name)) {
    console.error(`error: there is no adapter ${name}; there are ${adapters.join(', ')}`)
    process.exit(2)
  }
const checked = wanted.length === 0 ? adapters : wanted

const copy = mkdtempSync(join(tmpdir(), 'valetkey-peers-'))
process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const file of output('git', ['ls-files', '--cached', '--others', '--exclude-standard']).split('\n'))
  if (file !== '') cpSync(join(root, file), join(copy, file), { force: true })

const newest = new Set(checked.flatMap(frameworksOf))
for (const file of globSync('{packages,packages/adapters,examples,.}/*/package.json', { cwd: copy })) {
  const manifest = readManifest(join(copy, file))
  const mine = Object.keys(manifest.devDependencies ?? {}).filter((name) => newest.has(name))
  for (const name of mine) if (manifest.devDependencies) manifest.devDependencies[name] = 'latest'
  if (mine.length > 0) writeFileSync(join(copy, file), `${JSON.stringify(manifest, null, 2)}\n`)
}
step('installing the newest releases', 'pnpm', ['install', '--no-frozen-lockfile', '--loglevel', 'warn'])
step('building', 'pnpm', ['exec', 'turbo', 'run', 'build', '--output-logs', 'errors-only'])

let failed = false
const lines: string[] = []
for (const name of checked) {
  const types = run('pnpm', ['exec', 'tsc', '-p', `packages/adapters/${name}/tsconfig.json`])
  const tests = run('pnpm', ['exec', 'vitest', 'run', `packages/adapters/${name}/`, ...interopTestsOf(name)])
  failed ||= !types || !tests
  const versions = frameworksOf(name).map((framework) => {
    const path = join(copy, 'packages/adapters', name, 'node_modules', framework, 'package.json')
    return `${framework} ${readManifest(path).version}`
  })
  lines.push(`${types && tests ? 'ok    ' : 'FAILED'} ${name.padEnd(12)} ${versions.join(', ')}`)
}
console.log(lines.join('\n'))
process.exitCode = failed ? 1 : 0

/** The frameworks of an adapter. What only its tests need stays as it is: a framework says itself what it goes with. */
function frameworksOf(name: string): string[] {
  const { peerDependencies = {} } = readManifest(join(root, 'packages/adapters', name, 'package.json'))
  return Object.keys(peerDependencies).filter((dependency) => !dependency.startsWith('@valetkey/'))
}

/** What runs the real framework; the adapters' own tests mostly look at types. */
function interopTestsOf(name: string): readonly string[] {
  const tests: Readonly<Record<string, readonly string[]>> = {
    mcp: ['mcp-clients'],
    'ai-sdk': ['ai-sdk', 'hundred-chats'],
    'tanstack-ai': ['tanstack-ai'],
    'better-auth': ['better-auth'],
    authjs: ['authjs'],
    eve: ['eve'],
  }
  const found = tests[name]
  if (found === undefined) throw new Error(`check-peers.ts names no interop tests for ${name}`)
  return found.map((test) => `interop/${test}.test.ts`)
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest
}

function output(command: string, args: readonly string[]): string {
  const { stdout, status } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${status}`)
  return stdout
}

function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { cwd: copy, stdio: ['ignore', 2, 'inherit'] }).status === 0
}

function step(what: string, command: string, args: readonly string[]): void {
  console.error(`> ${what}`)
  if (run(command, args)) return
  console.error(`error: ${what} failed`)
  process.exit(1)
}
