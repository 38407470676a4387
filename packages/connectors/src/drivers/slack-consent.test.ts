import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ConsentStart, GrantCredential, RotatedTokens } from '../consent.ts'
import { type ConnectorSettings, ProviderFault } from '../driver.ts'
import { accessAt, appRequest, type FakeAnswer, type FakeProvider, serve } from '../test-server.ts'
import { slackDriver as driver } from './slack.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const access = accessAt(now)
const { consent } = driver
if (consent?.refresh === undefined || consent.endGrant === undefined) throw new Error('no consent')
const { refresh, endGrant } = consent
const start: ConsentStart = {
  kind: 'installation',
  redirectUri: 'https://broker.example/callback',
  state: 'the-state',
  scopes: [],
  resources: [],
  audience: [],
  authorizationDetails: [],
  additionalParams: {},
}
/** As Slack answers an app with token rotation; emulate does not rotate. */
const installed = {
  ok: true,
  access_token: 'xoxe.xoxb-1',
  expires_in: 43_200,
  refresh_token: 'xoxe-1',
  token_type: 'bot',
  scope: 'chat:write,users:read',
  bot_user_id: 'U9',
  team: { id: 'T1', name: 'Acme' },
  enterprise: null,
  is_enterprise_install: false,
  authed_user: { id: 'U1', scope: 'search:read', access_token: 'xoxe.xoxp-1', refresh_token: 'xoxe-u1' },
}

let slack: FakeProvider
let answers: Record<string, FakeAnswer>
let settings: ConnectorSettings

beforeEach(async () => {
  answers = { '/api/oauth.v2.access': { json: installed } }
  slack = await serve((request) => answers[request.path])
  settings = driver.parseSettings({
    clientId: 'client-1',
    clientSecret: 'client-secret-of-the-test',
    botScopes: ['chat:write'],
    userScopes: ['search:read'],
    apiUrl: `${slack.url}/api`,
  })
})
afterEach(() => slack.close())

async function finish(changes: Partial<ConsentStart> = {}) {
  const wanted = { ...start, ...changes }
  const started = await consent?.start(settings, wanted, access)
  if (started === undefined || 'outcome' in started) throw new Error('not started')
  const url = new URL(`${start.redirectUri}?state=the-state&code=c-1`)
  return await consent?.finish(settings, { url, start: wanted, pending: started.pending }, access)
}

describe('settings', () => {
  test('need a bot token, or a client with its secret', () => {
    expect(() => driver.parseSettings({ clientId: 'c' })).toThrow('clientSecret is required')
    expect(() => driver.parseSettings({ clientSecret: 's' })).toThrow('botToken is required')
    expect(settings.secrets).toEqual({ clientSecret: 'client-secret-of-the-test' })
    expect(consent.behaviour(settings.configuration).kinds).toEqual(['user', 'installation'])
    expect(consent.behaviour(driver.parseSettings({ botToken: 'xoxb-1' }).configuration).kinds).toEqual([])
  })

  test('the stored secret is never sent to an address that came later', () => {
    const apiUrl = 'https://elsewhere.example/api'
    expect(() => driver.mergeSettings(settings, { apiUrl })).toThrow('clientSecret is required again')
  })

  test('without a bot token ask nobody, and mint from nothing', async () => {
    await expect(driver.check(settings, access)).resolves.toEqual({ configuration: {} })
    expect(await driver.mint(settings, appRequest(), access)).toMatchObject({
      reason: 'installation_required',
    })
    expect(slack.seen).toEqual([])
  })
})

describe('starting', () => {
  const query = async (changes: Partial<ConsentStart>) => {
    const started = await consent.start(settings, { ...start, ...changes }, access)
    if ('outcome' in started) return started
    return Object.fromEntries(new URL(started.url).searchParams)
  }

  test('asks for the scopes of a bot, or for those of a person', async () => {
    const bot = await query({ scopes: ['chat:write', 'users:read'], tenantId: 'T1' })
    expect(bot).toMatchObject({ scope: 'chat:write,users:read', team: 'T1', code_challenge_method: 'S256' })
    expect(bot).not.toHaveProperty('user_scope')
    const person = await query({ kind: 'user' })
    expect(person).toMatchObject({ user_scope: 'search:read' })
    expect(person).not.toHaveProperty('scope')
  })

  test.each([
    { additionalParams: { scope: 'admin' } },
    { kind: 'installation', additionalParams: { user_scope: 'admin' } },
    { additionalParams: { team: 'T9' } },
    { additionalParams: { redirect_uri: 'https://x.example' } },
    { resources: ['https://slack.com'] },
    { authorizationDetails: [{ type: 'x' }] },
  ] satisfies Partial<ConsentStart>[])('refuses %j', async (changes) => {
    expect(await query(changes)).toMatchObject({ outcome: 'refused', reason: 'invalid_request' })
  })
})

describe('finishing', () => {
  test('an installation is the bot’s token, in the workspace it names', async () => {
    expect(await finish()).toMatchObject({
      outcome: 'granted',
      credential: {
        accessToken: 'xoxe.xoxb-1',
        accessExpiresAtMs: now + 43_200_000,
        refreshToken: 'xoxe-1',
        granted: { scopes: ['chat:write', 'users:read'] },
      },
      identity: { installationId: 'T1', tenantId: 'T1', name: 'Acme', externalSubject: 'U9' },
    })
  })

  test('a person’s consent is their own token, never the bot’s', async () => {
    expect(await finish({ kind: 'user' })).toMatchObject({
      credential: {
        accessToken: 'xoxe.xoxp-1',
        refreshToken: 'xoxe-u1',
        granted: { scopes: ['search:read'] },
      },
      identity: { tenantId: 'T1', externalSubject: 'U1' },
    })
    answers['/api/oauth.v2.access'] = { json: { ...installed, authed_user: { id: 'U1' } } }
    await expect(finish({ kind: 'user' })).rejects.toThrow(ProviderFault)
  })

  test('an installation in a whole organization is of the organization', async () => {
    const wide = { ...installed, team: null, enterprise: { id: 'E1', name: 'Acme Corp' } }
    answers['/api/oauth.v2.access'] = { json: { ...wide, is_enterprise_install: true } }
    expect(await finish()).toMatchObject({ identity: { installationId: 'E1', tenantId: 'E1' } })
  })

  test('another workspace than asked for is refused', async () => {
    expect(await finish({ tenantId: 'T2' })).toMatchObject({ reason: 'provider_refused' })
  })

  test.each(['invalid_code', 'bad_client_secret', 'some_word'])(
    '%s in a 200 is a definite no',
    async (error) => {
      answers['/api/oauth.v2.access'] = { json: { ok: false, error } }
      const finished = await finish()
      expect(finished).toMatchObject({ reason: 'provider_refused' })
      expect(JSON.stringify(finished)).not.toContain('some_word')
    },
  )

  test.each(['internal_error', 'ratelimited'])('%s in a 200 is a fault', async (error) => {
    answers['/api/oauth.v2.access'] = { json: { ok: false, error } }
    await expect(finish()).rejects.toThrow(ProviderFault)
  })
})

describe('afterwards', () => {
  const credential = (kind: 'user' | 'installation'): GrantCredential => ({
    accessToken: 'xoxe.xoxb-1',
    accessExpiresAtMs: now,
    refreshToken: 'xoxe-1',
    granted: { scopes: ['chat:write'], resources: [], authorizationDetails: [] },
    extra: { kind },
  })

  test.each(['user', 'installation'] as const)(
    'the flat answer to the refresh of a %s is kept',
    async (kind) => {
      const flat = { ok: true, access_token: 'new', expires_in: 43_200, refresh_token: 'xoxe-2' }
      answers['/api/oauth.v2.access'] = { json: flat }
      const kept: RotatedTokens[] = []
      const result = await refresh(settings, credential(kind), access, async (rotated) => {
        kept.push(rotated)
      })
      expect(kept).toMatchObject([{ refreshToken: 'xoxe-2', accessToken: 'new' }])
      expect(result).toMatchObject({
        credential: { refreshToken: 'xoxe-2', granted: { scopes: ['chat:write'] }, extra: { kind } },
      })
    },
  )

  test('a spent refresh token ends the grant', async () => {
    answers['/api/oauth.v2.access'] = { json: { ok: false, error: 'invalid_refresh_token' } }
    const result = await refresh(settings, credential('user'), access, async () => undefined)
    expect(result).toEqual({ outcome: 'ended' })
  })

  test('a grant serves its own workspace only', () => {
    const grant = {
      credential: credential('installation'),
      identity: { installationId: 'T1', tenantId: 'T1' },
    }
    const issue = (installationId: string) =>
      consent.issue(settings.configuration, grant, { ...appRequest(), installationId })
    expect(issue('T1')).toMatchObject({ outcome: 'minted', installationId: 'T1' })
    expect(issue('T2')).toMatchObject({ reason: 'installation_required' })
  })

  test.each([
    [{ json: { ok: true, revoked: true } }, 'revoked'],
    [{ json: { ok: false, error: 'token_revoked' } }, 'already_ended'],
    [{ json: { ok: false, error: 'invalid_auth' } }, 'already_ended'],
    [{ json: { ok: false, error: 'unknown_method' } }, 'unsupported'],
    [{ status: 404 }, 'unsupported'],
  ] satisfies [FakeAnswer, string][])('ending by auth.revoke: %j is %s', async (answer, outcome) => {
    answers['/api/auth.revoke'] = answer
    expect(await endGrant(settings, credential('user'), access, { accountInUse: false })).toBe(outcome)
    expect(slack.seen[0]?.headers.authorization).toBe('Bearer xoxe.xoxb-1')
  })

  test('a rotated grant whose access token has expired is refreshed to be ended', async () => {
    const used: (string | undefined)[] = []
    await slack.close()
    slack = await serve(({ path, headers, body }) => {
      if (path === '/api/oauth.v2.access') {
        used.push(new URLSearchParams(body).get('refresh_token') ?? undefined)
        return {
          json: { ok: true, access_token: 'xoxe.xoxb-2', expires_in: 43_200, refresh_token: 'xoxe-2' },
        }
      }
      used.push(headers.authorization)
      const lives = headers.authorization === 'Bearer xoxe.xoxb-2'
      return { json: lives ? { ok: true, revoked: true } : { ok: false, error: 'token_expired' } }
    })
    const { configuration, secrets } = settings
    const moved = { configuration: { ...configuration, apiUrl: `${slack.url}/api` }, secrets }
    expect(await endGrant(moved, credential('installation'), access, { accountInUse: false })).toBe('revoked')
    expect(used).toEqual(['Bearer xoxe.xoxb-1', 'xoxe-1', 'Bearer xoxe.xoxb-2'])
  })

  test.each([
    ['invalid_refresh_token', 'already_ended'],
    ['bad_client_secret', ProviderFault],
    ['internal_error', ProviderFault],
  ])('an expired token whose refresh is answered with %s', async (error, outcome) => {
    answers['/api/auth.revoke'] = { json: { ok: false, error: 'token_expired' } }
    answers['/api/oauth.v2.access'] = { json: { ok: false, error } }
    const ended = endGrant(settings, credential('user'), access, { accountInUse: false })
    if (typeof outcome === 'string') expect(await ended).toBe(outcome)
    else await expect(ended).rejects.toThrow(outcome)
  })

  test('an expired token without a refresh token has ended', async () => {
    answers['/api/auth.revoke'] = { json: { ok: false, error: 'token_expired' } }
    const { refreshToken: _none, ...unrotated } = credential('user')
    expect(await endGrant(settings, unrotated, access, { accountInUse: false })).toBe('already_ended')
  })

  test('the one token of an account without rotation is left to another living grant of it', async () => {
    const { refreshToken: _none, ...unrotated } = credential('user')
    expect(await endGrant(settings, unrotated, access, { accountInUse: true })).toBe('unsupported')
    expect(slack.seen).toEqual([])
  })

  test.each([{ ok: false, error: 'internal_error' }, { ok: false, error: 'token_expired' }, { ok: 'yes' }])(
    'ending is not claimed after %j',
    async (json) => {
      answers['/api/auth.revoke'] = { json }
      await expect(endGrant(settings, credential('user'), access, { accountInUse: false })).rejects.toThrow(
        ProviderFault,
      )
    },
  )
})
