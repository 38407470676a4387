// The packages as a user gets them: packed, installed with npm on the user's own Node, and used.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entries } from './packed/entries.ts'
import { installProject, type Project, type RunningBroker, userNode } from './packed/project.ts'
import { run, succeed } from './packed/run.ts'
import { packAll, type Tarball } from './packed/tarballs.ts'

let folder: string
let tarballs: readonly Tarball[]
let project: Project

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-packed-'))
  tarballs = await packAll(folder)
  // Without the adapters: npm would install their frameworks, and some of these want a newer Node.
  project = await installProject(
    folder,
    tarballs.filter(({ isAdapter }) => !isAdapter),
  )
}, 150_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('each published tarball', () => {
  it('is there, in dependency order and one version', () => {
    expect(tarballs.map(({ manifest }) => manifest.name)).toEqual([
      '@valetkey/protocol',
      '@valetkey/connectors',
      '@valetkey/testing',
      '@valetkey/sdk',
      '@valetkey/mcp',
      '@valetkey/ai-sdk',
      '@valetkey/tanstack-ai',
      '@valetkey/better-auth',
      '@valetkey/authjs',
      '@valetkey/eve',
      '@valetkey/broker',
      'valetkey',
    ])
    expect(new Set(tarballs.map(({ manifest }) => manifest.version)).size).toBe(1)
  })

  it('holds the licence, what was built, and nothing else', () => {
    for (const { manifest, files, isAdapter } of tarballs) {
      expect(manifest.license).toBe('Apache-2.0')
      // An adapter needs what its framework needs.
      expect(manifest.engines.node).toMatch(isAdapter ? /^>=(?:20\.18\.1|22|22\.12\.0|24)$/ : /^>=20\.18\.1$/)
      expect(files).toContain('LICENSE')
      const other = files.filter(
        (file) =>
          !/^(?:LICENSE|README\.md|package\.json|dist\/(?:[\w-]+\/)*[\w.-]+\.(?:js|d\.ts)|dist\/empty-database\.tar\.gz)$/.test(
            file,
          ) || /\btest\b/.test(file),
      )
      expect({ [manifest.name]: other }).toEqual({ [manifest.name]: [] })
    }
  })

  it('names released versions, exactly, and no condition of the workspace', () => {
    for (const { manifest } of tarballs) {
      expect(JSON.stringify(manifest)).not.toMatch(/workspace:|catalog:|link:|file:|@valetkey\/source/)
      for (const range of Object.values(manifest.dependencies ?? {})) expect(range).toMatch(/^\d+\.\d+\.\d+$/)
    }
  })

  it('exports the entries that are listed here', () => {
    const exported = tarballs.flatMap(({ manifest }) =>
      Object.keys(manifest.exports ?? {}).map((path) => manifest.name + path.slice(1)),
    )
    expect(exported.sort()).toEqual(Object.keys(entries).sort())
  })

  it('carries a page for the registry', () => {
    for (const { files } of tarballs) expect(files).toContain('README.md')
  })
})

describe('installed with npm on the machine’s own Node', () => {
  it('warns of no engine but those that are known, and of nothing else', async () => {
    const version = await succeed(userNode, ['--version'], { cwd: folder, env: process.env })
    const major = Number(/^v(\d+)/.exec(version)?.[1])
    expect(major).toBeGreaterThanOrEqual(20)
    const { stderr } = project.installed
    const warned = [...stderr.matchAll(/package: '([^']+)@[^'@]+'/g)].map((match) => match[1])
    // They declare Node 22 and work on 20, as the tests below show there.
    expect(warned.sort()).toEqual(major < 22 ? ['canonicalize', 'kysely'] : [])
    expect(stderr).not.toMatch(/deprecated|ERESOLVE|peer/i)
  })

  it('exports exactly the frozen names', async () => {
    const adapters = tarballs.filter(({ isAdapter }) => isAdapter).map(({ manifest }) => manifest.name)
    const installed = Object.fromEntries(
      Object.entries(entries).filter(
        ([entry]) => !adapters.some((name) => entry === name || entry.startsWith(`${name}/`)),
      ),
    )
    const names = await project.script(
      `const found = {}
       for (const entry of ${JSON.stringify(Object.keys(installed))})
         found[entry] = Object.keys(await import(entry)).sort()
       process.stdout.write(JSON.stringify(found))`,
    )
    expect(JSON.parse(names)).toEqual(installed)
  })

  it('resolves its types, as Node does and as bundlers do', async () => {
    await writeFile(join(project.folder, 'app.ts'), application)
    const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
    for (const [module, moduleResolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ]) {
      const compilerOptions = {
        ...{ module, moduleResolution, target: 'es2022', lib: ['es2023', 'dom', 'dom.iterable'], types: [] },
        ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
      }
      const configuration = JSON.stringify({ compilerOptions, files: ['app.ts'] })
      await writeFile(join(project.folder, 'tsconfig.json'), configuration)
      const checked = await run(process.execPath, [tsc], { cwd: project.folder, env: process.env })
      expect({ module, ...checked }).toMatchObject({ code: 0, stdout: '' })
    }
  })

  it('has a command that prints its version', async () => {
    const answer = await project.run('npx', ['--no-install', 'valetkey', '--version'])
    expect(answer).toMatchObject({ code: 0, stdout: `${tarballs.at(-1)?.manifest.version}\n` })
  })
})

describe('the installed command and SDK', () => {
  let broker: RunningBroker
  beforeAll(async () => {
    broker = await project.startBroker('dev', '--ephemeral', '--port', '0')
  })
  afterAll(async () => {
    expect(await broker?.stop()).toBe(0)
  })

  async function valetkey(...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
    const answer = await project.run('node_modules/.bin/valetkey', [...args, '--json'])
    if (answer.code !== 0) throw new Error(`valetkey ${args.join(' ')}: ${answer.stdout}${answer.stderr}`)
    return JSON.parse(answer.stdout) as Record<string, unknown>
  }

  it('get a token, end to end', async () => {
    await valetkey('project', 'create', 'agent')
    await valetkey('connect', 'create', 'api-key', '--name', 'weather', '--data', '{"value":"weather-key"}')
    await valetkey('connect', 'attach', 'api-key/weather', '--project', 'agent', '-e', 'development')
    await valetkey('env', 'pull', '--project', 'agent', '--environment', 'development')
    await writeFile(join(project.folder, 'agent.mjs'), agent)
    const answer = await project.run(userNode, ['--env-file=.env.local', 'agent.mjs'])
    expect(answer).toEqual({ code: 0, stdout: 'weather-key', stderr: '' })
  })

  it('leave an audit trail that verifies', async () => {
    const issued = await valetkey('audit', 'list', '--kind', 'token_issued')
    expect(issued).toMatchObject({ events: [expect.anything()] })
    expect(await valetkey('audit', 'verify')).toMatchObject({ valid: true })
  })
})

const agent = `import { getToken } from '@valetkey/sdk'
process.stdout.write(await getToken('api-key/weather', { subject: { type: 'app' } }))
`

const application = `import { createBroker, type BrokerConfig } from '@valetkey/broker'
import { verifyExport } from '@valetkey/broker/audit'
import { startServer } from '@valetkey/broker/host'
import { findDriver, type Driver } from '@valetkey/connectors'
import { type ErrorCode, errorCodes } from '@valetkey/protocol'
import { type ConnectTokenResponse, getTokenResponse, isConnectError } from '@valetkey/sdk'

const answer: Promise<ConnectTokenResponse> = getTokenResponse('slack/mybot', { subject: { type: 'app' } })
const config: BrokerConfig = { publicUrl: 'https://keys.example.com', database: 'memory', keys: 'k1:AA' }
const driver: Driver | undefined = findDriver('github')
const code: ErrorCode = 'forbidden'
// @ts-expect-error: a subject is never left out
const wrong = getTokenResponse('slack/mybot', {})
export { answer, code, config, createBroker, driver, errorCodes, isConnectError, startServer, verifyExport, wrong }
`
