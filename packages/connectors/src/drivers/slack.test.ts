import { afterEach, describe, expect, test } from 'vitest'
import { InvalidSettings, type JsonObject, type MintRequest, ProviderFault } from '../driver.ts'
import { accessAt, appRequest, type FakeAnswer, type FakeProvider, serve } from '../test-server.ts'
import { slackDriver as driver } from './slack.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const access = accessAt(now)
const botToken = 'xoxb-1-2-secret'
const identity = {
  ok: true,
  url: 'https://acme.slack.com/',
  team: 'Acme',
  team_id: 'T1',
  user: 'valet',
  user_id: 'U1',
  bot_id: 'B1',
}
const closing: FakeProvider[] = []

afterEach(async () => {
  for (const provider of closing.splice(0)) await provider.close()
})

async function check(answer: FakeAnswer) {
  const slack = await serve((request) => (request.path === '/api/auth.test' ? answer : undefined))
  closing.push(slack)
  const settings = driver.parseSettings({ botToken, apiUrl: `${slack.url}/api` })
  return { slack, checked: await driver.check(settings, access) }
}

function mint(learnt: JsonObject, request: Partial<MintRequest> = {}, data: JsonObject = {}) {
  const { configuration, secrets } = driver.parseSettings({ botToken, ...data })
  return driver.mint({ configuration: { ...configuration, ...learnt }, secrets }, appRequest(request), access)
}

describe('settings', () => {
  test('keep token and secrets out of the public configuration', () => {
    const settings = driver.parseSettings({
      botToken,
      clientId: 'c',
      clientSecret: 'client-secret',
      signingSecret: 'signing-secret',
      botScopes: ['users:read', 'chat:write'],
    })
    expect(settings).toEqual({
      configuration: {
        apiUrl: 'https://slack.com/api',
        clientId: 'c',
        botScopes: ['chat:write', 'users:read'],
      },
      secrets: { botToken, clientSecret: 'client-secret', signingSecret: 'signing-secret' },
    })
  })

  test.each([
    [{}, 'botToken is required'],
    [{ botToken: '' }, 'botToken must not be empty'],
    [{ botToken: 'xoxb-1 2' }, 'botToken must not hold white space'],
    [{ botToken: `${botToken}\n` }, 'botToken must not'],
    [{ botToken: 'xoxp-1' }, 'botToken must be the token of a bot'],
    [{ botToken: 'xapp-1' }, 'botToken must be the token of a bot'],
    [{ botToken: 'xoxe.xoxb-1' }, 'botToken must not be a rotating token'],
    [{ botToken, apiUrl: 'https://slack.com/api?x' }, 'apiUrl must not have a query'],
    [{ botToken, botScopes: 'chat:write,users:read' }, 'botScopes must be a list of scopes'],
  ])('refuse %j', (data, message) => {
    expect(() => driver.parseSettings(data)).toThrow(message)
  })

  test('do not judge a token by its form', () => {
    expect(driver.parseSettings({ botToken: 'anything.at/all=' }).secrets.botToken).toBe('anything.at/all=')
  })

  test('an update keeps what it does not name, and drops what Slack said of the old token', () => {
    const before = driver.parseSettings({ botToken, signingSecret: 's' })
    const learnt = { ...before.configuration, teamId: 'T1', scopes: ['chat:write'] }
    const after = driver.mergeSettings({ ...before, configuration: learnt }, { botToken: 'xoxb-new' })
    expect(after.secrets).toEqual({ botToken: 'xoxb-new', signingSecret: 's' })
    expect(after.configuration).toEqual(before.configuration)
  })

  test('the stored token is never sent to an address that came later', () => {
    const before = driver.parseSettings({ botToken })
    const apiUrl = 'https://elsewhere.example/api'
    expect(() => driver.mergeSettings(before, { apiUrl })).toThrow('botToken is required again')
    expect(driver.mergeSettings(before, { apiUrl, botToken }).configuration.apiUrl).toBe(apiUrl)
  })
})

describe('check', () => {
  test('learns workspace, bot and the scopes the token really has', async () => {
    const { slack, checked } = await check({
      json: identity,
      headers: { 'x-oauth-scopes': 'users:read, chat:write,chat:write' },
    })
    expect(checked.configuration).toEqual({
      scopes: ['chat:write', 'users:read'],
      teamId: 'T1',
      teamName: 'Acme',
      botId: 'B1',
      botUserId: 'U1',
    })
    expect(slack.seen).toMatchObject([
      { method: 'POST', path: '/api/auth.test', headers: { authorization: `Bearer ${botToken}` } },
    ])
  })

  test('leaves the scopes out when Slack does not say', async () => {
    expect((await check({ json: identity })).checked.configuration).not.toHaveProperty('scopes')
  })

  test.each(['invalid_auth', 'account_inactive', 'token_revoked'])(
    'a definite no in a 200 is an error of the settings: %s',
    async (error) => {
      await expect(check({ json: { ok: false, error } })).rejects.toThrow(
        new InvalidSettings(`Slack does not accept botToken: ${error}`),
      )
    },
  )

  test.each(['internal_error', 'ratelimited', 'service_unavailable'])(
    'a fault in a 200 is a fault: %s',
    async (error) => {
      await expect(check({ json: { ok: false, error } })).rejects.toThrow(ProviderFault)
    },
  )

  test.each([
    { ok: false, error: 'Token xoxb-1-2-secret\nis bad' },
    { ok: false },
    { ok: true },
    { ...identity, ok: 'true' },
    { ...identity, team_id: 'T1/../x' },
    'text',
  ])('nonsense is a fault that repeats none of it: %j', async (json) => {
    await expect(check({ json })).rejects.toThrow(
      new ProviderFault('Slack answered in a form that was not expected (status 200)', { status: 200 }),
    )
  })

  test('a token that rotates is refused, whatever it looks like', async () => {
    await expect(check({ json: { ...identity, expires_in: 43_200 } })).rejects.toThrow('rotating')
  })

  test('a name with control characters is dropped, not shown', async () => {
    const { checked } = await check({ json: { ...identity, team: 'Acme\u001b[2J' } })
    expect(checked.configuration).not.toHaveProperty('teamName')
  })
})

describe('minting', () => {
  const learnt = { teamId: 'T1', teamName: 'Acme', botUserId: 'U1', scopes: ['chat:write', 'users:read'] }

  test('says that the token carries every scope of the app, narrowed by nobody and without an end', async () => {
    expect(await mint(learnt, { scopes: ['chat:write'] })).toEqual({
      outcome: 'minted',
      token: botToken,
      expiresAtMs: null,
      granted: { scopes: ['chat:write', 'users:read'], resources: [], authorizationDetails: [] },
      enforcedBy: 'none',
      origins: ['https://slack.com', 'https://files.slack.com', 'https://mcp.slack.com'],
      installationId: 'T1',
      tenantId: 'T1',
      name: 'Acme',
      externalSubject: 'U1',
    })
  })

  test('a token of another address belongs to that origin alone', async () => {
    expect(await mint({}, {}, { apiUrl: 'http://127.0.0.1:9/api' })).toMatchObject({
      origins: ['http://127.0.0.1:9'],
    })
  })

  test.each(['admin', 'chat:write:x', 'chat', 'CHAT:WRITE', '*', 'chat:write,users:read'])(
    'refuses the scope %s, which the app does not have, by its name',
    async (scope) => {
      const refusal = await mint(learnt, { scopes: ['chat:write', scope] })
      expect(refusal).toMatchObject({ outcome: 'refused', reason: 'above_grant' })
      expect(refusal).toHaveProperty('message', expect.stringContaining(scope))
    },
  )

  test('promises no scope when Slack does not say which there are', async () => {
    expect(await mint({ teamId: 'T1' }, { scopes: ['chat:write'] })).toMatchObject({ reason: 'above_grant' })
    expect(await mint({ teamId: 'T1' })).toMatchObject({ outcome: 'minted', granted: { scopes: [] } })
  })

  test('knows one workspace only', async () => {
    expect(await mint(learnt, { installationId: 'T1' })).toMatchObject({ outcome: 'minted' })
    expect(await mint(learnt, { installationId: 'T2' })).toMatchObject({ reason: 'installation_required' })
    expect(await mint({}, { installationId: 'T1' })).toMatchObject({ reason: 'installation_required' })
  })

  test('without a stored token says so', async () => {
    const settings = { ...driver.parseSettings({ botToken }), secrets: {} }
    expect(await driver.mint(settings, appRequest(), access)).toMatchObject({ reason: 'no_credential' })
  })

  test('of a user comes from consent, never from here', async () => {
    expect(await mint(learnt, { subject: { type: 'user', id: 'u1' } })).toMatchObject({
      reason: 'no_credential',
    })
  })

  test.each([
    { subject: { type: 'token', token: 't' } },
    { resources: ['https://slack.com'] },
    { audience: ['x'] },
    { authorizationDetails: [{ type: 'x' }] },
  ] satisfies Partial<MintRequest>[])('refuses %j instead of ignoring it', async (request) => {
    expect(await mint(learnt, request)).toMatchObject({ reason: 'invalid_request' })
  })
})
