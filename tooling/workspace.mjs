// The one entry behind every root script. Runs on the machine's own Node (20 or later) with no dependencies:
// it fetches the pinned pnpm, installs the workspace (which brings Node 24 along) and then hands over to it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const [pnpmName, pnpmVersion] = manifest.packageManager.split('@')
const pnpmHome = join(root, '.pnpm-home')
const pnpmBin = join(pnpmHome, process.platform === 'win32' ? 'pnpm.cmd' : join('bin', 'pnpm'))
const stamp = join(root, 'node_modules', '.valetkey-setup')

// turbo looks for pnpm on the PATH. Tests of the packed packages run on the Node that users have: this one.
const env = {
  ...process.env,
  PATH: `${dirname(pnpmBin)}${delimiter}${process.env.PATH ?? ''}`,
  VALETKEY_TEST_NODE: process.execPath,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: 'inherit', ...options })
  if (result.error) throw result.error
  if (result.status !== 0) process.exit(result.status ?? 1)
}

function step(text) {
  process.stderr.write(`> ${text}\n`)
}

function pnpmIsReady() {
  if (!existsSync(pnpmBin)) return false
  const probe = spawnSync(pnpmBin, ['--version'], { cwd: root, env, encoding: 'utf8' })
  return probe.status === 0 && probe.stdout.trim() === pnpmVersion
}

function ensurePnpm() {
  if (pnpmIsReady()) return
  step(`fetching ${pnpmName} ${pnpmVersion} into .pnpm-home`)
  rmSync(pnpmHome, { recursive: true, force: true })
  run('npm', [
    'install',
    '--global',
    '--prefix',
    pnpmHome,
    '--no-audit',
    '--no-fund',
    '--loglevel',
    'error',
    `${pnpmName}@${pnpmVersion}`,
  ])
}

function installDigest() {
  const hash = createHash('sha256')
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'])
    hash.update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function ensureInstalled() {
  const digest = installDigest()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  step('installing dependencies')
  run(pnpmBin, ['install', '--frozen-lockfile', '--reporter', 'append-only', '--loglevel', 'warn'])
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, digest)
}

function build() {
  step('building packages')
  run(pnpmBin, ['exec', 'turbo', 'run', 'build', '--output-logs', 'errors-only', '--log-prefix', 'none'])
}

function setup() {
  ensurePnpm()
  ensureInstalled()
  build()
}

function node(script, ...args) {
  run(pnpmBin, [
    'exec',
    'node',
    '--conditions=@valetkey/source',
    '--disable-warning=ExperimentalWarning',
    script,
    ...args,
  ])
}

/** The examples besides the demo, which has a command of its own. */
function examples() {
  return readdirSync(join(root, 'examples')).filter((name) => !['demo', 'support'].includes(name))
}

function start(example, ...args) {
  const filter = ['--filter', `@valetkey/example-${example}`, '--fail-if-no-match']
  run(pnpmBin, [...filter, 'run', '--silent', 'start', ...args])
}

const commands = {
  setup,
  build: setup,
  demo(args) {
    setup()
    start('demo', ...args)
  },
  test(args) {
    setup()
    run(pnpmBin, ['exec', 'vitest', 'run', ...args])
  },
  example(args) {
    setup()
    const names = args.includes('--all') ? examples() : args
    if (names.length === 0) {
      process.stderr.write(`usage: npm run example -- ${examples().join('|')}|--all\n`)
      process.exit(2)
    }
    for (const name of names) {
      step(`example ${name}`)
      start(name)
    }
  },
  check(args) {
    setup()
    node('tooling/check.ts', ...args)
  },
  'check:peers'(args) {
    setup()
    node('tooling/check-peers.ts', ...args)
  },
  bench(args) {
    setup()
    node('bench/run.ts', ...args)
  },
  campaign(args) {
    setup()
    node('bench/campaign/run.ts', ...args)
  },
  generate(args) {
    setup()
    node('tooling/generate.ts', ...args)
  },
  format() {
    ensurePnpm()
    ensureInstalled()
    run(pnpmBin, ['exec', 'biome', 'check', '--write', '.'])
  },
}

const [name, ...rest] = process.argv.slice(2)
const command = commands[name]
if (command === undefined) {
  process.stderr.write(`usage: node tooling/workspace.mjs ${Object.keys(commands).join('|')}\n`)
  process.exit(2)
}
command(rest)
