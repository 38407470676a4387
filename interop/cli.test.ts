import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  endAll,
  type Finished,
  type Running,
  type Surroundings,
  startRunning,
  valetkey,
} from './support/command.ts'
import { type GitHubService, startGitHub } from './support/github.ts'

type Document = Readonly<Record<string, unknown>>

/** The one JSON document of stdout; a second one, or anything else, makes it throw. */
function documentOf(finished: Finished): Document {
  const lines = finished.stdout.split('\n')
  if (lines.length !== 2 || lines[1] !== '') throw new Error(`Not one line: ${finished.stdout}`)
  return JSON.parse(lines[0] ?? '') as Document
}

describe('valetkey, as a person uses it in a folder with `valetkey dev`', () => {
  let folder: string
  let dev: Running
  let github: GitHubService

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
    github = await startGitHub()
    dev = await startRunning(folder, ['dev', '--port', '0'])
  })
  afterAll(async () => {
    await endAll()
    await github.close()
    await rm(folder, { recursive: true, force: true })
  })

  const run = (command: string, surroundings?: Surroundings) =>
    valetkey(folder, command.split(' '), surroundings)

  /** Runs a command with `--json`, which must succeed. */
  async function json(command: string, surroundings?: Surroundings): Promise<Document> {
    const finished = await run(`${command} --json`, surroundings)
    if (finished.code !== 0) throw new Error(`${command}: ${finished.stdout}${finished.stderr}`)
    return documentOf(finished)
  }

  /** Runs a command with `--json`, which must fail, and returns its exit status, code and message. */
  async function refused(command: string, surroundings?: Surroundings) {
    const finished = await run(`${command} --json`, surroundings)
    const { error } = documentOf(finished) as { readonly error: { code: string; message: string } }
    return { exit: finished.code, code: error.code, message: error.message }
  }

  it('says ready, and keeps dev.json and its folder to its user', async () => {
    expect(dev.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const path = join(folder, '.valetkey', 'dev.json')
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
      url: dev.url,
      accessToken: expect.stringMatching(/^\S{20,}$/),
      pid: dev.pid,
    })
    for (const file of ['dev.json', 'keys'])
      expect((await stat(join(folder, '.valetkey', file))).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, '.valetkey'))).mode & 0o077).toBe(0)
    expect(await readFile(join(folder, '.valetkey', '.gitignore'), 'utf8')).toBe('*\n')
  })

  it('creates and lists projects', async () => {
    expect(await json('project create agent')).toMatchObject({
      id: expect.stringMatching(/^prj_/),
      name: 'agent',
    })
    expect(await json('project create other')).toMatchObject({ name: 'other' })
    const { projects } = await json('project list')
    expect(projects).toMatchObject([{ name: expect.any(String) }, { name: expect.any(String) }])
    expect(await refused('project create agent')).toMatchObject({ exit: 1, code: 'conflict' })
  })

  it('creates, lists and updates connectors, secrets from a file or stdin', async () => {
    await writeFile(join(folder, 'github.json'), JSON.stringify(github.connector), { mode: 0o600 })
    const created = await json('connect create github --name mybot --data @github.json')
    expect(created).toMatchObject({ id: expect.stringMatching(/^scl_/), uid: 'github/mybot', type: 'github' })
    const input = JSON.stringify({ value: 'weather-key' })
    expect(await json('connect create api-key --name weather --data @-', { input })).toMatchObject({
      uid: 'api-key/weather',
      name: 'weather',
    })
    const listed = (await json('connect list')) as { connectors: { uid: string }[]; cursor: null }
    expect(listed.connectors.map(({ uid }) => uid).sort()).toEqual(['api-key/weather', 'github/mybot'])
    expect(listed.cursor).toBeNull()

    await writeFile(join(folder, 'wrong.json'), JSON.stringify({ privateKeyPem: 'no key' }))
    expect(await refused('connect update github/mybot --data @wrong.json')).toMatchObject({
      exit: 1,
      code: 'invalid_request',
    })
    expect(await json('connect update api-key/weather --name Weather')).toMatchObject({ name: 'Weather' })
  })

  it('attaches with a ceiling, and detaches', async () => {
    const ceiling = [
      { type: 'github_app_installation', repositories: ['acme/website'], permissions: ['contents:read'] },
    ]
    await writeFile(join(folder, 'ceiling.json'), JSON.stringify(ceiling))
    const attach = 'connect attach github/mybot --project agent -e development'
    expect(await json(`${attach} --authorization-details @ceiling.json`)).toMatchObject({
      uid: 'github/mybot',
      enabledEnvironments: ['development'],
    })
    const standing = await run('connect attach api-key/weather --project agent -e development -e preview')
    expect(standing.code).toBe(0)
    expect(standing.stderr).toContain('warning')
    expect(await json('connect detach api-key/weather --project agent -e preview')).toMatchObject({
      detached: true,
    })
    expect(await refused('connect detach api-key/weather --project agent -e preview')).toMatchObject({
      exit: 1,
      code: 'not_found',
    })
  })

  it('pulls an identity into .env.local, beside what is there, and gets tokens with it', async () => {
    const path = join(folder, '.env.local')
    await writeFile(path, '# mine\nOTHER="a b"\nVALETKEY_URL=http://old.example\n')
    const pulled = await json('env pull --project agent --environment development')
    expect(JSON.stringify(pulled)).not.toContain('eyJ')
    const text = await readFile(path, 'utf8')
    expect(text).toContain('# mine\nOTHER="a b"\n')
    expect(text.match(/^VALETKEY_URL=.*$/gm)).toEqual([expect.stringContaining(dev.url)])
    expect(text.match(/^VALETKEY_ID_TOKEN=/gm)).toHaveLength(1)
    expect((await stat(path)).mode & 0o777).toBe(0o600)

    const token = await run('connect token api-key/weather')
    expect(token).toMatchObject({ code: 0, stdout: 'weather-key\n' })
    expect(await json('connect token github/mybot')).toMatchObject({
      token: expect.stringMatching(/^ghs_/),
      enforcedBy: 'provider',
      granted: { authorizationDetails: [{ repositories: ['acme/website'] }] },
    })
    const beyond = [{ type: 'github_app_installation', repositories: ['acme/payroll'] }]
    await writeFile(join(folder, 'beyond.json'), JSON.stringify(beyond))
    expect(await refused('connect token github/mybot --authorization-details @beyond.json')).toMatchObject({
      exit: 1,
      code: 'above_ceiling',
    })
    expect(await refused('connect token api-key/nothing')).toMatchObject({ exit: 1, code: 'forbidden' })
  })

  it('finds the broker from a folder below', async () => {
    const below = join(folder, 'deep', 'below')
    await mkdir(below, { recursive: true })
    const { code, stdout } = await valetkey(below, ['project', 'list', '--json'])
    expect([code, JSON.parse(stdout).projects.length]).toEqual([0, 2])
  })

  it('says who one is', async () => {
    expect(await json('whoami')).toMatchObject({
      operator: { url: dev.url, role: 'owner' },
      identity: { found: true },
    })
    const { code } = await run('doctor --json')
    expect([0, 1]).toContain(code)
  })

  it('creates access tokens, which then work: for an operator and for a workload', async () => {
    const auditor = await run('token create --role auditor')
    expect(auditor.stdout).toMatch(/^\S+\n$/)
    const asAuditor = { variables: { VALETKEY_URL: dev.url, VALETKEY_ACCESS_TOKEN: auditor.stdout.trim() } }
    expect(await json('project list', asAuditor)).toHaveProperty('projects')
    expect(await refused('project create third', asAuditor)).toMatchObject({ exit: 1, code: 'forbidden' })

    const { token } = await json('token create --project agent --environment development')
    const asWorkload = { variables: { VALETKEY_URL: dev.url, VALETKEY_ACCESS_TOKEN: String(token) } }
    expect((await run('connect token api-key/weather', asWorkload)).stdout).toBe('weather-key\n')
    expect(await refused('project list', asWorkload)).toMatchObject({ exit: 1, code: 'forbidden' })
  })

  it('adds, lists, explains and removes trust', async () => {
    const issuer = '--issuer https://issuer.example'
    const rule = await json(
      `project trust add agent --environment production ${issuer} --claim sub=build --claim sub=deploy`,
    )
    expect(rule).toMatchObject({ audience: dev.url, claims: { sub: ['build', 'deploy'] } })
    const claims = { iss: 'https://issuer.example', aud: dev.url, sub: 'deploy' }
    const explain = (changed: object) =>
      json('project explain agent --claims @-', { input: JSON.stringify({ ...claims, ...changed }) })
    expect(await explain({})).toMatchObject({
      allowed: true,
      project: { name: 'agent' },
      environment: 'production',
      rules: [{ id: rule.id, matched: true, reason: expect.any(String) }],
    })
    expect(await explain({ sub: 'other' })).toMatchObject({
      allowed: false,
      rules: [{ matched: false, reason: expect.stringContaining('sub') }],
    })
    const vague = `project trust add agent --environment production ${issuer} --claim sub=*`
    expect(await refused(vague)).toMatchObject({ exit: 1, code: 'invalid_request' })
    expect((await json('project trust list agent')).rules).toHaveLength(1)
    expect(await json(`project trust remove agent ${rule.id}`)).toMatchObject({ removed: true })
    expect((await json('project trust list agent')).rules).toHaveLength(0)
  })

  it('links the folder to a project, which later commands then mean', async () => {
    expect(await json(`link --url ${dev.url} --project agent`)).toMatchObject({
      url: dev.url,
      project: 'agent',
    })
    expect((await json('connect list')).connectors).toHaveLength(2)
    expect(await json('env pull --environment development')).toMatchObject({ project: 'agent' })
    await rm(join(folder, '.valetkey', 'link.json'))
  })

  it('exports the audit trail and verifies it offline; a cut one is convicted by a checkpoint', async () => {
    const listed = (await json('audit list --limit 5')) as {
      events: { seq: number; at: number; kind: string }[]
    }
    expect(listed.events).toHaveLength(5)
    expect(listed.events[0]).toMatchObject({ seq: expect.any(Number), at: expect.any(Number) })
    expect(await json('audit verify')).toMatchObject({
      valid: true,
      tail: 'unproven',
      events: expect.any(Number),
    })
    await json('audit export --output trail.jsonl')
    expect((await stat(join(folder, 'trail.jsonl'))).mode & 0o777).toBe(0o600)
    expect(await json('audit verify --file trail.jsonl')).toMatchObject({ valid: true, tail: 'unproven' })
    const proven = await json('audit verify --file trail.jsonl --checkpoint trail.jsonl')
    expect(proven).toMatchObject({ valid: true, tail: 'proven' })

    const lines = (await readFile(join(folder, 'trail.jsonl'), 'utf8')).trimEnd().split('\n')
    const cut = [...lines.slice(0, -4), lines.at(-1)].join('\n')
    await writeFile(join(folder, 'cut.jsonl'), `${cut}\n`)
    const convicted = await run('audit verify --file cut.jsonl --checkpoint trail.jsonl --json')
    expect(convicted.code).toBe(1)
    expect(documentOf(convicted)).toMatchObject({ valid: false })
    await writeFile(join(folder, 'half.jsonl'), `${lines.slice(0, -4).join('\n')}\n`)
    expect((await run('audit verify --file half.jsonl --checkpoint trail.jsonl')).code).toBe(1)
    await writeFile(join(folder, 'text.jsonl'), 'not an export\n')
    expect(await refused('audit verify --file text.jsonl')).toMatchObject({
      exit: 1,
      code: 'invalid_request',
    })
  })

  it('removes only with --yes where nobody can be asked', async () => {
    expect(await refused('connect remove github/mybot')).toMatchObject({ exit: 1, code: 'conflict' })
    expect(await refused('connect remove github/mybot --disconnect-all')).toMatchObject({ exit: 2 })
    expect(await json('connect remove github/mybot --disconnect-all --yes')).toMatchObject({ removed: true })
    expect(await refused('project remove agent')).toMatchObject({ exit: 2 })
    expect(await json('project remove agent --yes')).toMatchObject({ name: 'agent', removed: true })
    expect(await refused('connect token api-key/weather')).toMatchObject({
      exit: 1,
      code: 'identity_invalid',
    })
  })

  it.each([
    ['no command', '', 2],
    ['an unknown command', 'trigger listen', 2],
    ['an unknown option', 'project list --frob', 2],
    ['a missing argument', 'project create', 2],
    ['a secret on the command line', 'project explain other --token eyJhbGciOi', 2],
    ['a file that is not there', 'connect create github --name x --data @nowhere.json', 2],
    ['something that does not exist', 'project trust list nobody', 1],
  ])('answers %s with one JSON document and its exit status', async (_what, command, exit) => {
    const finished = await valetkey(folder, [...command.split(' ').filter((word) => word !== ''), '--json'])
    expect(documentOf(finished)).toMatchObject({
      error: { code: expect.any(String), message: expect.any(String) },
    })
    expect(finished.code).toBe(exit)
    expect(finished.stdout + finished.stderr).not.toContain('eyJhbGciOi')
  })

  it('prints its version and help with exit status 0, as JSON too', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(await json('--version')).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
    expect((await run('--help')).stdout).toContain('Usage: valetkey')
    expect(await json('project --help')).toEqual({ help: expect.stringContaining('trust') })
  })

  it('stops on SIGTERM with exit status 0 and takes dev.json away', async () => {
    expect(await dev.end('SIGTERM')).toBe(0)
    await expect(stat(join(folder, '.valetkey', 'dev.json'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await refused('project list')).toMatchObject({ exit: 1, code: 'issuing_point_missing' })
  })
})
