import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { onlyEnvironment } from './testing/environment.ts'
import { createFakeFetch, runCommand, temporaryFolder } from './testing/shell.ts'

const environment = { VALETKEY_URL: 'https://keys.example.com', VALETKEY_ACCESS_TOKEN: 'vk_operator_secret' }
const shop = { id: 'prj_1', name: 'shop' }
const weather = { id: 'scl_1', uid: 'api-key/weather', name: 'weather', type: 'api-key', service: 'api-key' }

describe('the command line', () => {
  it.each([
    [['nonsense']],
    [['scan']],
    [[]],
    [['connect']],
    [['project', 'create']],
    [['project', 'create', 'a', 'b']],
    [['connect', 'list', '--triggers']],
    [['link']],
    [['connect', 'create', 'github', '--name', 'x', '--data', '{']],
    [['connect', 'create', 'github', '--name', 'x', '--data']],
    [['connect', 'attach', 'x', '--project', 'p']],
    [['connect', 'attach', 'x', '--project', 'p', '-e', 'dev', '--subjects', 'nobody']],
    [['connect', 'attach', 'x', '-e', 'dev']],
    [['connect', 'update', 'x']],
    [['connect', 'list', '--all-projects', '--project', 'p']],
    [['connect', 'token', 'x', '--subject', 'user']],
    [['connect', 'remove', '..']],
    [['project', 'explain', 'p']],
    [['project', 'explain', 'p', '--claims', '{}', '--token', '@x']],
    [['project', 'remove', 'p']],
    [['token', 'create']],
    [['token', 'create', '--role', 'owner', '--project', 'p']],
    [['token', 'create', '--local']],
    [['audit', 'export']],
    [['audit', 'verify', '--file', 'nothing-here']],
    [['dev', '--port', 'x']],
  ])('refuses %j with exit 2 and one JSON document', async (argv) => {
    const { code, stdout } = await runCommand([...argv, '--json'], {
      environment,
      loadAudit: () => import('@valetkey/broker/audit'),
    })
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'invalid_request', requestId: '' } })
    expect(code).toBe(2)
  })

  it.each([[['--help']], [['connect', 'attach', '--help']], [['help', 'connect']]])(
    'helps with %j, in JSON too',
    async (argv) => {
      const human = await runCommand(argv)
      expect(human.code).toBe(0)
      expect(human.stdout).toContain('Usage: valetkey')
      const json = await runCommand([...argv, '--json'])
      expect(JSON.parse(json.stdout).help).toContain('Usage: valetkey')
    },
  )

  it('S26 does not repeat what was typed in the wrong place', async () => {
    const secret = 'eyJhbGciOiJub25lIn0.c2VjcmV0.c2ln'
    const lines = [
      [secret],
      ['connect', secret],
      ['connect', 'list', `--token=${secret}`],
      ['connect', 'list', `-t${secret}`],
      ['connect', 'list', secret],
      ['connect', 'list', '--limit', secret],
      ['project', 'explain', 'p', '--token', secret],
      ['connect', 'create', 'github', '--name', 'x', '--data', `{"clientSecret":"${secret}"`],
      ['connect', 'attach', 'x', '-e', 'dev', '--project', 'p', '--authorization-details', secret],
      ['project', 'trust', 'add', 'p', '--environment', 'e', '--issuer', 'i', '--claim', secret],
      ['token', 'create', '--role', secret],
    ]
    for (const argv of lines)
      for (const json of [[], ['--json']]) {
        const { code, stdout, stderr } = await runCommand([...argv, ...json], { environment })
        expect(code, argv.join(' ')).toBe(2)
        expect(stdout + stderr).not.toContain(secret)
      }
  })
})

describe('commands against a broker', () => {
  it('creates a project and says what comes next', async () => {
    const { fetch, requests } = createFakeFetch({ 'POST /v1/projects': shop })
    const { code, stdout, stderr } = await runCommand(['project', 'create', 'shop'], { environment, fetch })
    expect(code).toBe(0)
    expect(stdout).toBe('Created project shop (prj_1).\n')
    expect(stderr).toContain('valetkey project trust add shop')
    expect(requests).toEqual([
      { line: 'POST /v1/projects', authorization: 'Bearer vk_operator_secret', body: { name: 'shop' } },
    ])
  })

  it('lists connectors in the shape of the contract, with what the broker added', async () => {
    const { fetch, requests } = createFakeFetch({
      'GET /v1/projects/shop': shop,
      'GET /v1/connect/connectors': { clients: [{ ...weather, later: 1 }], cursor: null },
    })
    const argv = ['connect', 'list', '--project', 'shop', '--limit', '5', '--next', 'c', '--json']
    const { stdout } = await runCommand(argv, { environment, fetch })
    expect(JSON.parse(stdout)).toEqual({ connectors: [{ ...weather, later: 1 }], cursor: null })
    expect(requests.at(-1)?.line).toBe('GET /v1/connect/connectors?limit=5&cursor=c&projectId=prj_1')
  })

  it('attaches to the environments given without taking others away, and prints warnings on stderr', async () => {
    const path = '/v1/connect/connectors/api-key%2Fweather/projects/shop'
    const answer = {
      uid: weather.uid,
      project: shop,
      enabledEnvironments: ['dev', 'preview'],
      warnings: ['A lease'],
    }
    const { fetch, requests } = createFakeFetch({ [`POST ${path}`]: answer })
    const argv = ['connect', 'attach', 'api-key/weather', '--project', 'shop', '-e', 'dev', '-e', 'preview']
    const ceiling = ['--subjects', 'app,user', '--scopes', 'a,b', '--max-ttl-seconds', '60', '--json']
    const { code, stdout, stderr } = await runCommand([...argv, ...ceiling], { environment, fetch })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(answer)
    expect(stderr).toContain('A lease')
    expect(requests[0]?.body).toEqual({
      environments: ['dev', 'preview'],
      merge: true,
      subjects: ['app', 'user'],
      scopes: ['a', 'b'],
      maxTtlSeconds: 60,
    })
  })

  it('takes the project of the link of its folder', async () => {
    const folder = temporaryFolder()
    const url = environment.VALETKEY_URL
    await runCommand(['link', '--url', `${url}/`, '--project', 'shop'], { folder })
    const { fetch, requests } = createFakeFetch({})
    const token = { VALETKEY_ACCESS_TOKEN: 'vk_operator_secret' }
    await runCommand(['connect', 'detach', 'a/b', '-e', 'dev'], { folder, fetch, environment: token })
    expect(requests[0]?.line).toBe('DELETE /v1/connect/connectors/a%2Fb/projects/shop?environment=dev')
  })

  it('does not remove a connector that is in use', async () => {
    const answers = {
      'GET /v1/connect/connectors/api-key%2Fweather': weather,
      'GET /v1/connect/connectors/scl_1/projects': {
        projects: [{ uid: weather.uid, project: shop, enabledEnvironments: ['dev'] }],
      },
      'DELETE /v1/connect/connectors/scl_1/projects/prj_1': { detached: true },
      'DELETE /v1/connect/connectors/scl_1': { id: 'scl_1', uid: weather.uid, removed: true },
    }
    const argv = ['connect', 'remove', 'api-key/weather', '--yes', '--json']
    const kept = createFakeFetch(answers)
    const refused = await runCommand(argv, { environment, fetch: kept.fetch })
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout).error.code).toBe('conflict')
    expect(kept.requests.every(({ line }) => line.startsWith('GET '))).toBe(true)

    const { fetch, requests } = createFakeFetch(answers)
    const { code, stdout } = await runCommand([...argv, '--disconnect-all'], { environment, fetch })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ id: 'scl_1', uid: weather.uid, removed: true })
    expect(requests.map(({ line }) => line).slice(2)).toEqual([
      'DELETE /v1/connect/connectors/scl_1/projects/prj_1',
      'DELETE /v1/connect/connectors/scl_1',
    ])
  })

  it.each([
    ['y\n', 0],
    ['\n', 1],
  ])('asks before a removal on a terminal: %j', async (input, expected) => {
    const { fetch, requests } = createFakeFetch({ 'DELETE /v1/projects/shop': { ...shop, removed: true } })
    const argv = ['project', 'remove', 'shop']
    const { code, stderr } = await runCommand(argv, { environment, fetch, input, terminal: true })
    expect(stderr).toContain('[y/N]')
    expect(code).toBe(expected)
    expect(requests).toHaveLength(expected === 0 ? 1 : 0)
  })

  it('S26 writes a pulled identity to .env.local and nowhere else', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, '.env.local'), 'A=1\n')
    const identity = { token: 'head.body.sign', expiresAt: 1_795_292_400_000, environment: 'development' }
    const { fetch } = createFakeFetch({ 'POST /v1/projects/shop/development-identities': identity })
    const argv = ['env', 'pull', '--project', 'shop', '--environment', 'development']
    const human = await runCommand(argv, { environment, fetch, folder })
    const json = await runCommand([...argv, '--json'], { environment, fetch, folder })
    expect([human.code, json.code]).toEqual([0, 0])
    expect(human.stdout + human.stderr + json.stdout + json.stderr).not.toContain('head.body.sign')
    expect(readFileSync(join(folder, '.env.local'), 'utf8')).toBe(
      'A=1\nVALETKEY_URL=https://keys.example.com\nVALETKEY_ID_TOKEN=head.body.sign\n',
    )
  })

  it('prints a created access token alone on stdout', async () => {
    const created = { id: 'vat_1', token: 'vk_new', role: 'manager', createdAt: 1, expiresAt: null }
    const { fetch, requests } = createFakeFetch({ 'POST /v1/access-tokens': created })
    const argv = ['token', 'create', '--role', 'manager']
    const { stdout, stderr } = await runCommand(argv, { environment, fetch })
    expect(stdout).toBe('vk_new\n')
    expect(stderr).not.toContain('vk_new')
    expect(requests[0]?.body).toEqual({ role: 'manager' })
  })

  it('exits 1 when the trail is not valid, and 0 with an unproven tail', async () => {
    const verdicts = [
      [{ valid: false, events: 3, tail: 'unproven', problem: 'chain a, event 2: changed' }, 1],
      [{ valid: true, events: 3, tail: 'unproven' }, 0],
    ] as const
    for (const [verdict, expected] of verdicts) {
      const { fetch } = createFakeFetch({ 'POST /v1/audit/verify': verdict })
      const { code, stdout } = await runCommand(['audit', 'verify', '--json'], { environment, fetch })
      expect(JSON.parse(stdout)).toEqual(verdict)
      expect(code).toBe(expected)
    }
  })

  it('leaves no file behind when an export breaks off', async () => {
    const folder = temporaryFolder()
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from('{"type":"header"}\n'))
        controller.error(new Error('reset'))
      },
    })
    const { fetch } = createFakeFetch({ 'GET /v1/audit/export': new Response(broken) })
    const argv = ['audit', 'export', '--output', 'audit.jsonl', '--json']
    const { code, stdout } = await runCommand(argv, { environment, fetch, folder })
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe('unavailable')
    expect(() => readFileSync(join(folder, 'audit.jsonl'))).toThrow('ENOENT')
    expect(() => readFileSync(join(folder, 'audit.jsonl.partial'))).toThrow('ENOENT')
  })
})

describe('commands that act as a workload', () => {
  const loadSdk = () => import('@valetkey/sdk')
  const claims = {
    iss: 'https://keys.example.com/development',
    sub: 'project:prj_1',
    aud: 'https://keys.example.com',
  }
  const identity = `e30.${Buffer.from(JSON.stringify({ ...claims, exp: 4_000_000_000 })).toString('base64url')}.c2ln`

  function pulledFolder(): string {
    const folder = temporaryFolder()
    const text = `VALETKEY_URL=https://keys.example.com\nVALETKEY_ID_TOKEN=${identity}\n`
    writeFileSync(join(folder, '.env.local'), text, { mode: 0o600 })
    return folder
  }

  it('S26 whoami tells claims and source of the identity, never the identity, and sends it nowhere', async () => {
    onlyEnvironment({})
    const { fetch, requests } = createFakeFetch({
      'GET /v1/access-tokens/self': { id: 'vat_1', role: 'owner' },
    })
    const folder = pulledFolder()
    for (const json of [[], ['--json']]) {
      const { code, stdout, stderr } = await runCommand(['whoami', ...json], { folder, fetch, loadSdk })
      expect(code).toBe(0)
      expect(stdout).toContain('project:prj_1')
      expect(stdout).toContain('.env.local')
      expect(stdout + stderr).not.toContain(identity)
    }
    expect(requests).toEqual([])
  })

  it('S37 does not use a .env.local that others could have written', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, '.valetkey'))
    writeFileSync(
      join(folder, '.env.local'),
      `VALETKEY_URL=https://evil.example\nVALETKEY_ID_TOKEN=${identity}\n`,
      {
        mode: 0o644,
      },
    )
    const { code, stdout } = await runCommand(['connect', 'token', 'a/b', '--json'], { folder, loadSdk })
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe('issuing_point_missing')
  })
})
