import { describe, expect, it } from 'vitest'
import { createFakeFetch, runCommand } from '../testing/shell.ts'

const environment = { VALETKEY_URL: 'https://keys.example.com', VALETKEY_ACCESS_TOKEN: 'vk_operator_secret' }
const path = '/v1/connect/connectors/slack%2Fmybot/grants'
const grant = {
  id: 'grt_1',
  kind: 'user',
  project: { id: 'prj_1', name: 'shop' },
  environment: 'production',
  namespace: null,
  userId: 'alice',
  installationId: null,
  state: 'active',
  isDefault: true,
  scopes: ['read', 'write'],
  accessExpiresAt: 1_795_292_400_000,
  revokeOutcome: null,
}

describe('connect grants', () => {
  it('lists grants for people and programs', async () => {
    const ended = { ...grant, id: 'grt_2', namespace: 'people', state: 'ended', revokeOutcome: 'revoked' }
    const { fetch, requests } = createFakeFetch({
      [`GET ${path}`]: { grants: [grant, ended], cursor: 'next' },
    })
    const argv = [
      'connect',
      'grants',
      'list',
      'slack/mybot',
      '--state',
      'ended',
      '--limit',
      '2',
      '--next',
      'c',
    ]
    const { code, stdout, stderr } = await runCommand(argv, { environment, fetch })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^grt_1 +user +alice +shop production +active +yes +read, write +20\d\d-/m)
    expect(stdout).toMatch(/^grt_2 +user +alice +namespace people +ended \(at the provider: revoked\)/m)
    expect(stderr).toContain('--next next')
    expect(requests[0]?.line).toBe(`GET ${path}?state=ended&limit=2&cursor=c`)
    const json = await runCommand([...argv, '--json'], { environment, fetch })
    expect(JSON.parse(json.stdout)).toEqual({ grants: [grant, ended], cursor: 'next' })
    const none = createFakeFetch({ [`GET ${path}`]: { grants: [], cursor: null } })
    const empty = await runCommand(['connect', 'grants', 'list', 'slack/mybot'], {
      environment,
      fetch: none.fetch,
    })
    expect(empty.stdout).toBe('There are no such grants of slack/mybot.\n')
  })

  it('chooses a default', async () => {
    const answer = { id: 'grt_1', uid: 'slack/mybot', isDefault: true }
    const { fetch, requests } = createFakeFetch({ [`PATCH ${path}/grt_1`]: answer })
    const argv = ['connect', 'grants', 'default', 'slack/mybot', 'grt_1', '--json']
    const { code, stdout } = await runCommand(argv, { environment, fetch })
    expect([code, JSON.parse(stdout)]).toEqual([0, answer])
    expect(requests[0]?.body).toEqual({ default: true })
  })

  it('removes one, confirmed', async () => {
    const answer = { id: 'grt_1', uid: 'slack/mybot', removed: true }
    const { fetch, requests } = createFakeFetch({ [`DELETE ${path}/grt_1`]: answer })
    const argv = ['connect', 'grants', 'remove', 'slack/mybot', 'grt_1', '--json']
    expect((await runCommand(argv, { environment, fetch })).code).toBe(2)
    expect(requests).toEqual([])
    const { code, stdout } = await runCommand([...argv, '--yes'], { environment, fetch })
    expect([code, JSON.parse(stdout)]).toEqual([0, answer])
  })

  it.each([
    [['list', 'x', '--state', 'gone']],
    [['list', 'x', '--limit', '101']],
    [['default', 'x']],
    [['remove', 'x', '..', '--yes']],
    [[]],
  ])('refuses %j with exit 2', async (args) => {
    expect((await runCommand(['connect', 'grants', ...args, '--json'], { environment })).code).toBe(2)
  })
})

describe('connect attach', () => {
  it('sends what is said about consent, and prints what the broker warns of', async () => {
    const line = 'POST /v1/connect/connectors/slack%2Fmybot/projects/shop'
    const { fetch, requests } = createFakeFetch({
      [line]: {
        uid: 'slack/mybot',
        project: { id: 'prj_1', name: 'shop' },
        enabledEnvironments: ['production'],
        warnings: ['Consent alone will activate a grant'],
      },
    })
    const argv = ['connect', 'attach', 'slack/mybot', '--project', 'shop', '-e', 'production']
    const consent = ['--user-namespace', 'people', '--dangerously-bind-on-consent']
    const uris = ['--redirect-uri', 'https://a.example/cb?x=1,2', '--redirect-uri', 'https://b.example/cb']
    const { code, stderr } = await runCommand([...argv, ...consent, ...uris], { environment, fetch })
    expect(code).toBe(0)
    expect(stderr).toContain('warning: Consent alone will activate a grant')
    expect(requests[0]?.body).toEqual({
      environments: ['production'],
      merge: true,
      userNamespace: 'people',
      redirectUris: ['https://a.example/cb?x=1,2', 'https://b.example/cb'],
      dangerouslyBindOnConsent: true,
    })
  })
})
