// The SDK as a user gets it, packed and installed with npm, passes one suite on every runtime that it is for.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { installProject, type Project } from '../tooling/packed/project.ts'
import { pack } from '../tooling/packed/tarballs.ts'
import { startIssuingPoint } from './servers/issuing-point.ts'
import { listen, type Server } from './servers/listen.ts'
import type { Ability, Report, Settings } from './suite/protocol.ts'
import { buildHosts, foreignImports } from './support/build-hosts.ts'
import { type FoundRuntime, findRuntimes } from './support/find-runtimes.ts'
import { runInProcess, runInWorker } from './support/run-suite.ts'

// The checks of one runtime wait for time more than they compute.
vi.setConfig({ maxConcurrency: 2 })

let folder: string
let project: Project
let issuingPoint: Server
let elsewhere: Server
let closed: Server

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-runtimes-'))
  issuingPoint = await startIssuingPoint()
  elsewhere = await startIssuingPoint()
  closed = await listen(() => {})
  await closed.close()
  project = await installProject(folder, await pack(folder, ['packages/protocol', 'packages/sdk']))
  await writeFile(join(project.folder, 'token'), 'of-file\n')
  await buildHosts(project.folder)
})
afterAll(async () => {
  await Promise.all([issuingPoint?.close(), elsewhere?.close()])
  await rm(folder, { recursive: true, force: true })
})

/** How a runtime is started, and what the suite finds there. */
interface Way {
  readonly title: string
  readonly runtime: FoundRuntime
  readonly abilities: readonly Ability[]
  readonly start: (settings: Settings) => Promise<Report>
}

const denoRun = ['run', '--no-prompt', '--no-lock', '--cached-only']
const network = '--allow-net=127.0.0.1'

function waysOf(runtime: FoundRuntime): readonly Way[] {
  const inProcess = (how: string, abilities: readonly Ability[], ...args: readonly string[]): Way => ({
    title: `${runtime.title}${how}`,
    runtime,
    abilities,
    start: (settings) => runInProcess(project, runtime.binary, args, settings),
  })
  const inWorker = (how: string, abilities: readonly Ability[], ...flags: readonly string[]): Way => ({
    title: `${runtime.title}${how}`,
    runtime,
    abilities,
    start: async (settings) => (await runInWorker(project, flags, settings, ['/suite']))[0] as Report,
  })
  switch (runtime.name) {
    case 'node':
    case 'bun':
      return [inProcess('', ['variables', 'files', 'commands'])]
    case 'deno':
      return [
        inProcess('', ['variables', 'files', 'commands'], ...denoRun, '--allow-all'),
        inProcess(', network and variables allowed', ['variables'], ...denoRun, network, '--allow-env'),
        inProcess(', network allowed', [], ...denoRun, network),
      ]
    case 'workerd':
      return [inWorker('', []), inWorker(' with nodejs_compat', ['variables'], 'nodejs_compat')]
  }
}

function settingsOf(title: string, abilities: readonly Ability[]): Settings {
  return {
    run: title.replace(/\W+/g, '-'),
    abilities,
    origin: issuingPoint.origin,
    elsewhere: elsewhere.origin,
    closed: closed.origin,
    tokenFile: join(project.folder, 'token'),
    tokenCommand: 'echo of-command',
  }
}

it.each(['default', 'node', 'bun', 'deno', 'workerd'])(
  'the packed SDK imports no module of a runtime under the condition %s',
  async (condition) => {
    expect(await foreignImports(project.folder, [condition])).toEqual([])
  },
)

const runtimes = findRuntimes()

describe.concurrent('the packed SDK passes the suite', () => {
  for (const { title, runtime, abilities, start } of runtimes.flatMap(waysOf)) {
    const reason = runtime.missing === undefined ? '' : ` (skipped: ${runtime.missing})`
    it.skipIf(runtime.missing !== undefined)(`on ${title}${reason}`, async () => {
      const report = await start(settingsOf(title, abilities))
      expect(report.failed).toEqual({})
      expect(report.passed).toHaveLength(abilities.includes('variables') ? 41 : 38)
      // workerd does not tell its own.
      if (runtime.name !== 'workerd') expect(report.version).toBe(runtime.version)
    })
  }
})

const [workerd] = runtimes.filter(({ name }) => name === 'workerd')
describe.skipIf(workerd?.missing !== undefined)('a Worker', () => {
  it('is not held up by an exchange that ended with another request, and shares tokens between them', async () => {
    const steps = ['/leave', '/ask', '/ask', '/ask', '/seen'] as const
    const answers = await runInWorker(project, [], settingsOf('across', []), steps)
    expect(answers).toEqual(['left', 'timeout', 'token-2', 'token-2', 2])
  })
})
