import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ConsentStart, GrantCredential, RotatedTokens } from '../consent.ts'
import { type ConnectorSettings, ProviderFault } from '../driver.ts'
import { accessAt, appRequest, type FakeAnswer, type FakeProvider, serve } from '../test-server.ts'
import { githubDriver as driver } from './github.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const access = accessAt(now)
const { consent } = driver
if (consent?.refresh === undefined || consent.endGrant === undefined) throw new Error('no consent')
const { refresh, endGrant } = consent
const privateKeyPem = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString()
const start: ConsentStart = {
  kind: 'user',
  redirectUri: 'https://broker.example/callback',
  state: 'the-state',
  scopes: [],
  resources: [],
  audience: [],
  authorizationDetails: [],
  additionalParams: {},
}
const token = {
  access_token: 'ghu_1',
  expires_in: 28_800,
  refresh_token: 'ghr_1',
  refresh_token_expires_in: 15_897_600,
  scope: '',
  token_type: 'bearer',
}
const tokenPath = 'POST /login/oauth/access_token'
const listPath = 'GET /api/user/installations?per_page=100&page=1'
const tokenEnd = 'DELETE /api/applications/Iv1.abc/token'
const grantEnd = 'DELETE /api/applications/Iv1.abc/grant'

/** As GitHub documents it: emulate knows neither expiring user tokens nor a person's installations. */
let github: FakeProvider
let answers: Record<string, FakeAnswer>
let settings: ConnectorSettings

beforeEach(async () => {
  answers = {
    [tokenPath]: { json: token },
    'GET /api/user': { json: { id: 7, login: 'octocat', name: 'Octo' } },
    'GET /api/user/emails': { json: [{ email: 'o@example.com', primary: true, verified: false }] },
    [listPath]: installations([{ id: 100, account: { id: 1, login: 'acme' } }]),
    [tokenEnd]: { status: 204 },
    [grantEnd]: { status: 204 },
  }
  github = await serve((request) => answers[`${request.method} ${request.path}`])
  settings = driver.parseSettings({
    appId: 1,
    appSlug: 'valet',
    privateKeyPem,
    clientId: 'Iv1.abc',
    clientSecret: 'client-secret-of-the-test',
    webUrl: github.url,
    apiUrl: `${github.url}/api`,
  })
})
afterEach(() => github.close())

function installations(list: readonly object[], count = list.length): FakeAnswer {
  return { json: { total_count: count, installations: list } }
}

const calls = () => github.seen.map((request) => `${request.method} ${request.path}`)

async function finish(query: string, changes: Partial<ConsentStart> = {}) {
  const wanted = { ...start, ...changes }
  const started = await consent?.start(settings, wanted, access)
  if (started === undefined || 'outcome' in started) throw new Error('not started')
  const url = new URL(`${start.redirectUri}?state=the-state&${query}`)
  return await consent?.finish(settings, { url, start: wanted, pending: started.pending }, access)
}

test('the stored secret is never sent to an address that came later', () => {
  const webUrl = 'https://elsewhere.example'
  expect(() => driver.mergeSettings(settings, { webUrl })).toThrow('clientSecret is required again')
  const apiUrl = 'https://elsewhere.example/api'
  expect(() => driver.mergeSettings(settings, { apiUrl, privateKeyPem })).toThrow('clientSecret is required')
})

describe('a person', () => {
  test('consents with PKCE and without scopes', async () => {
    const started = await consent.start(settings, start, access)
    if ('outcome' in started) throw new Error(started.message)
    const url = new URL(started.url)
    expect(url.pathname).toBe('/login/oauth/authorize')
    expect(url.searchParams.get('code_challenge_method')).toBe('S256')
    expect(url.searchParams.has('scope')).toBe(false)
    expect(await consent.start(settings, { ...start, scopes: ['repo'] }, access)).toMatchObject({
      reason: 'invalid_request',
    })
  })

  test('is never sent to an address in the clear', async () => {
    const webUrl = 'http://github.example'
    const elsewhere = { ...settings, configuration: { ...settings.configuration, webUrl } }
    await expect(consent.start(elsewhere, start, access)).rejects.toThrow('must be https')
    const url = new URL(`${start.redirectUri}?state=the-state&code=c-1`)
    const callback = { url, start, pending: { verifier: 'v'.repeat(43) } }
    await expect(consent.finish(elsewhere, callback, access)).rejects.toThrow('must be https')
  })

  test('gives a token of eight hours, and is named with what GitHub vouches for', async () => {
    expect(await finish('code=c-1', { signIn: true })).toMatchObject({
      outcome: 'granted',
      credential: {
        accessToken: 'ghu_1',
        accessExpiresAtMs: now + 28_800_000,
        refreshToken: 'ghr_1',
        refreshExpiresAtMs: now + 15_897_600_000,
        granted: { scopes: [] },
      },
      identity: {
        externalSubject: '7',
        name: 'octocat',
        claims: { email: 'o@example.com', emailVerified: false },
      },
    })
    expect(await finish('code=c-1')).not.toHaveProperty('identity.claims')
  })

  test.each(['bad_verification_code', 'incorrect_client_credentials'])(
    '%s in a 200 is a no',
    async (error) => {
      answers[tokenPath] = { json: { error, error_description: 'upstream words' } }
      const finished = await finish('code=c-1')
      expect(finished).toMatchObject({ outcome: 'refused', reason: 'provider_refused' })
      expect(JSON.stringify(finished)).not.toContain('upstream')
    },
  )

  test('refreshes, and is asked again when the refresh token is spent', async () => {
    const granted = await finish('code=c-1')
    if (granted?.outcome !== 'granted') throw new Error('not granted')
    answers[tokenPath] = { json: { ...token, access_token: 'ghu_2', refresh_token: 'ghr_2' } }
    const kept: RotatedTokens[] = []
    const keep = async (rotated: RotatedTokens) => void kept.push(rotated)
    expect(await refresh(settings, granted.credential, access, keep)).toMatchObject({
      credential: { accessToken: 'ghu_2', refreshToken: 'ghr_2' },
    })
    expect(kept).toMatchObject([{ refreshToken: 'ghr_2' }])
    answers[tokenPath] = { json: { error: 'bad_refresh_token' } }
    expect(await refresh(settings, granted.credential, access, keep)).toEqual({ outcome: 'ended' })
  })

  test('has a token that can not be narrowed', async () => {
    const granted = await finish('code=c-1')
    if (granted?.outcome !== 'granted') throw new Error('not granted')
    const request = { ...appRequest(), subject: { type: 'user', id: 'u' } } as const
    expect(consent.issue(settings.configuration, granted, request)).toMatchObject({
      token: 'ghu_1',
      enforcedBy: 'none',
    })
    const authorizationDetails = [{ type: 'github_app_installation', repositories: ['a/b'] }]
    expect(
      consent.issue(settings.configuration, granted, { ...request, authorizationDetails }),
    ).toMatchObject({
      reason: 'invalid_request',
    })
    expect(await driver.mint(settings, request, access)).toMatchObject({ reason: 'no_credential' })
  })
})

describe('ending what a person granted', () => {
  const credential: GrantCredential = {
    accessToken: 'ghu_1',
    accessExpiresAtMs: now + 1000,
    refreshToken: 'ghr_1',
    granted: { scopes: [], resources: [], authorizationDetails: [] },
  }

  test('is asked of GitHub by the client, with the token in the body', async () => {
    expect(await endGrant(settings, credential, access, { accountInUse: false })).toBe('revoked')
    expect(github.seen[0]).toMatchObject({
      headers: { authorization: `Basic ${btoa('Iv1.abc:client-secret-of-the-test')}` },
      body: '{"access_token":"ghu_1"}',
    })
  })

  test('takes a live token: an expired one is refreshed first', async () => {
    answers[tokenPath] = { json: { ...token, access_token: 'ghu_2' } }
    expect(
      await endGrant(settings, { ...credential, accessExpiresAtMs: now }, access, { accountInUse: false }),
    ).toBe('revoked')
    expect(github.seen.at(-1)?.body).toBe('{"access_token":"ghu_2"}')
  })

  test('leaves what another living grant of the person needs: one live token ends, an expired one is left', async () => {
    const tokenEnd = grantEnd.replace(/grant$/, 'token')
    answers[tokenEnd] = { status: 204 }
    expect(await endGrant(settings, credential, access, { accountInUse: true })).toBe('revoked')
    expect(github.seen.map(({ path }) => path)).toEqual([tokenEnd.replace('DELETE ', '')])
    const expired = { ...credential, accessExpiresAtMs: now }
    expect(await endGrant(settings, expired, access, { accountInUse: true })).toBe('unsupported')
    expect(github.seen).toHaveLength(1)
  })

  test('is believed done only when the token itself is dead', async () => {
    answers[grantEnd] = { status: 404 }
    await expect(endGrant(settings, credential, access, { accountInUse: false })).rejects.toThrow(
      ProviderFault,
    )
    answers['GET /api/user'] = { status: 401 }
    expect(await endGrant(settings, credential, access, { accountInUse: false })).toBe('already_ended')
  })
})

describe('an installation', () => {
  const install = (query: string, changes: Partial<ConsentStart> = {}) =>
    finish(query, { kind: 'installation', ...changes })

  test('starts on the page of the App, with the state', async () => {
    const started = await consent.start(settings, { ...start, kind: 'installation' }, access)
    if ('outcome' in started) throw new Error(started.message)
    expect(started.url).toBe(`${github.url}/apps/valet/installations/new?state=the-state`)
  })

  test('is confirmed for the person who came back, and holds no token', async () => {
    const finished = await install('code=c-1&installation_id=100&setup_action=install')
    expect(finished).toEqual({
      outcome: 'granted',
      credential: {
        accessExpiresAtMs: null,
        granted: { scopes: [], resources: [], authorizationDetails: [] },
      },
      identity: { installationId: '100', tenantId: '1', name: 'acme' },
    })
    expect(github.seen[1]?.headers.authorization).toBe('Bearer ghu_1')
    // The token that confirmed it is ended.
    expect(calls()).toEqual([tokenPath, listPath, tokenEnd])
  })

  test('that GitHub does not list for the person is refused, whatever the callback says', async () => {
    for (const id of ['200', '10', '1000'])
      expect(await install(`code=c-1&installation_id=${id}`)).toMatchObject({
        outcome: 'refused',
        reason: 'provider_refused',
      })
  })

  test('is looked for on every page', async () => {
    answers[listPath] = installations(
      Array.from({ length: 100 }, (_, index) => ({ id: index + 1000 })),
      101,
    )
    answers['GET /api/user/installations?per_page=100&page=2'] = installations([{ id: 100 }], 101)
    expect(await install('code=c-1&installation_id=100')).toMatchObject({
      identity: { installationId: '100' },
    })
  })

  test.each([
    ['no code', 'installation_id=100', 'Request user authorization'],
    ['no id', 'code=c-1', 'names no installation'],
    ['two ids', 'code=c-1&installation_id=100&installation_id=200', 'names no installation'],
    ['an id that is a path', 'code=c-1&installation_id=../100', 'names no installation'],
    ['an owner still to approve it', 'code=c-1&installation_id=100&setup_action=request', 'approve'],
  ])('is refused with %s, and nothing is sent', async (_what, query, message) => {
    expect(await install(query)).toMatchObject({ message: expect.stringContaining(message) })
    expect(github.seen).toEqual([])
  })

  test('on another account than asked for is refused', async () => {
    expect(await install('code=c-1&installation_id=100', { tenantId: '2' })).toMatchObject({
      reason: 'provider_refused',
    })
  })

  test('is not confirmed by an answer that makes no sense', async () => {
    answers[listPath] = { json: { installations: 'all' } }
    await expect(install('code=c-1&installation_id=100')).rejects.toThrow(ProviderFault)
  })

  test('ends on GitHub only', async () => {
    const finished = await install('code=c-1&installation_id=100')
    if (finished?.outcome !== 'granted') throw new Error('not granted')
    expect(await endGrant(settings, finished.credential, access, { accountInUse: false })).toBe('unsupported')
    expect(consent.issue(settings.configuration, finished, appRequest())).toMatchObject({
      reason: 'no_credential',
    })
  })
})
