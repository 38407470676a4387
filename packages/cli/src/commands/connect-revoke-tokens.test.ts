import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createFakeFetch, runCommand, temporaryFolder } from '../testing/shell.ts'

const url = 'https://keys.example.com'
const environment = { VALETKEY_URL: url, VALETKEY_ACCESS_TOKEN: 'vk_operator_secret' }
const loadSdk = () => import('@valetkey/sdk')
const counts = { tokensFound: 3, deleted: 3, providerRevoked: 2, providerSkipped: 1, providerFailed: 0 }
const answers = {
  'GET /v1/connect/connectors/slack%2Fmybot': { id: 'scl_1', uid: 'slack/mybot' },
  'DELETE /v1/connect/connectors/scl_1/tokens': counts,
  'GET /v1/access-tokens/self': { kind: 'workload', environment: 'development' },
}
const claims = { iss: `${url}/development`, sub: 'project:prj_1', aud: url, exp: 4_000_000_000 }
const identity = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

function pulledFolder(): string {
  const folder = temporaryFolder()
  const text = `VALETKEY_URL=${url}\nVALETKEY_ID_TOKEN=${identity}\n`
  writeFileSync(join(folder, '.env.local'), text, { mode: 0o600 })
  return folder
}

describe('connect revoke-tokens', () => {
  it('ends everything as an operator', async () => {
    const { fetch, requests } = createFakeFetch(answers)
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--all-tokens', '--yes', '--json']
    const { code, stdout } = await runCommand(argv, { environment, fetch })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      id: 'scl_1',
      uid: 'slack/mybot',
      scope: 'all',
      supportsRevocation: true,
      ...counts,
    })
    expect(requests.at(-1)).toEqual({
      line: 'DELETE /v1/connect/connectors/scl_1/tokens',
      authorization: 'Bearer vk_operator_secret',
      body: {},
    })
  })

  it.each([
    [['--user-id', 'alice'], { subject: { type: 'user', id: 'alice' } }, 'user alice'],
    [
      ['--subject', 'user', '--user-id', 'alice', '--issuer', 'https://i.example'],
      { subject: { type: 'user', id: 'alice', issuer: 'https://i.example' } },
      'user alice of https://i.example',
    ],
    [['--installation-id', 'T1'], { installationId: 'T1' }, 'in installation T1'],
    [['--subject', 'app'], { subject: { type: 'app' } }, 'the app'],
    [
      ['--user-id', 'alice', '--installation-id', 'T1'],
      { subject: { type: 'user', id: 'alice' }, installationId: 'T1' },
      'user alice in installation T1',
    ],
  ])('ends as an operator only what %j names', async (flags, body, asked) => {
    const { fetch, requests } = createFakeFetch(answers)
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--all-tokens', ...flags]
    const { code, stdout } = await runCommand([...argv, '--yes', '--json'], { environment, fetch })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      id: 'scl_1',
      uid: 'slack/mybot',
      scope: 'all',
      supportsRevocation: true,
      ...counts,
    })
    expect(requests.at(-1)).toEqual({
      line: 'DELETE /v1/connect/connectors/scl_1/tokens',
      authorization: 'Bearer vk_operator_secret',
      body,
    })
    const { stderr } = await runCommand(argv, { environment, fetch, input: 'n\n', terminal: true })
    expect(stderr).toContain(asked)
    expect(requests.at(-1)?.line).toContain('GET')
  })

  it('believes the broker about what the connector can do, else what it did, and guesses nothing', async () => {
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--all-tokens', '--yes', '--json']
    const nothing = { ...counts, providerRevoked: 0, providerSkipped: 3 }
    const inferred = createFakeFetch({ ...answers, 'DELETE /v1/connect/connectors/scl_1/tokens': nothing })
    const { stdout } = await runCommand(argv, { environment, fetch: inferred.fetch })
    expect(JSON.parse(stdout).supportsRevocation).toBeNull()
    const told = createFakeFetch({
      ...answers,
      'GET /v1/connect/connectors/slack%2Fmybot': {
        id: 'scl_1',
        uid: 'slack/mybot',
        supportsRevocation: true,
      },
      'DELETE /v1/connect/connectors/scl_1/tokens': nothing,
    })
    expect(JSON.parse((await runCommand(argv, { environment, fetch: told.fetch })).stdout)).toMatchObject({
      supportsRevocation: true,
    })
    const denied = createFakeFetch({
      ...answers,
      'GET /v1/connect/connectors/slack%2Fmybot': { id: 'scl_1', uid: 'x', supportsRevocation: false },
    })
    expect(JSON.parse((await runCommand(argv, { environment, fetch: denied.fetch })).stdout)).toMatchObject({
      supportsRevocation: false,
    })
  })

  it.each([
    [[], { type: 'app' }],
    [['--subject', 'app'], { type: 'app' }],
    [['--user-id', 'alice'], { type: 'user', id: 'alice' }],
    [
      ['--subject', 'user', '--user-id', 'alice', '--issuer', 'https://i.example'],
      { type: 'user', id: 'alice', issuer: 'https://i.example' },
    ],
  ])('ends what the workload holds with %j', async (flags, subject) => {
    const { fetch, requests } = createFakeFetch(answers)
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--my-tokens', '--yes', '--json', ...flags]
    const { code, stdout, stderr } = await runCommand(argv, { folder: pulledFolder(), fetch, loadSdk })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ scope: 'mine', ...counts })
    expect(stdout + stderr).not.toContain(identity)
    expect(requests.map(({ line }) => line)).toEqual([
      'GET /v1/access-tokens/self',
      'GET /v1/connect/connectors/slack%2Fmybot',
      'DELETE /v1/connect/connectors/scl_1/tokens',
    ])
    expect(requests.at(-1)).toMatchObject({ authorization: `Bearer ${identity}`, body: { subject } })
  })

  it('never ends as an operator what a workload was to end for itself', async () => {
    const { fetch, requests } = createFakeFetch({
      ...answers,
      'GET /v1/access-tokens/self': { kind: 'operator', role: 'owner' },
    })
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--my-tokens', '--yes', '--json']
    const { code, stdout } = await runCommand(argv, { folder: pulledFolder(), fetch, loadSdk })
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe('forbidden')
    expect(requests.map(({ line }) => line)).toEqual(['GET /v1/access-tokens/self'])
  })

  it('says so when there is no identity', async () => {
    const { fetch, requests } = createFakeFetch(answers)
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--my-tokens', '--yes', '--json']
    const { code, stdout } = await runCommand(argv, { environment: { VALETKEY_URL: url }, fetch, loadSdk })
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe('identity_unavailable')
    expect(requests).toEqual([])
  })

  it('asks on a terminal, and otherwise needs --yes', async () => {
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--all-tokens']
    for (const flags of [[], ['--json']]) {
      const { fetch, requests } = createFakeFetch(answers)
      expect((await runCommand([...argv, ...flags], { environment, fetch })).code).toBe(2)
      expect(requests.every(({ line }) => line.startsWith('GET '))).toBe(true)
    }
    const { fetch, requests } = createFakeFetch(answers)
    const { code, stdout, stderr } = await runCommand(argv, {
      environment,
      fetch,
      input: 'y\n',
      terminal: true,
    })
    expect(code).toBe(0)
    expect(stderr).toContain('Remove all tokens and grants of connector slack/mybot?')
    expect(stdout).toContain('Ended 3 tokens of slack/mybot')
    expect(requests.at(-1)?.line).toContain('DELETE')
  })

  it.each([
    [[]],
    [['--my-tokens', '--all-tokens']],
    [['--all-tokens', '--user-id', '']],
    [['--all-tokens', '--subject', 'user']],
    [['--all-tokens', '--subject', 'app', '--user-id', 'alice']],
    [['--all-tokens', '--issuer', 'https://i.example']],
    [['--all-tokens', '--user-id', 'alice', '--issuer', '']],
    [['--all-tokens', '--installation-id', '']],
    [['--my-tokens', '--installation-id', 'T1']],
    [['--my-tokens', '--subject', 'user']],
    [['--my-tokens', '--subject', 'app', '--user-id', 'alice']],
    [['--my-tokens', '--issuer', 'https://i.example']],
    [['--my-tokens', '--user-id', '']],
  ])('refuses %j with exit 2, before it asks anybody', async (flags) => {
    const argv = ['connect', 'revoke-tokens', 'slack/mybot', '--yes', '--json', ...flags]
    expect((await runCommand(argv, { environment })).code).toBe(2)
  })
})
