import { generateKeyPairSync } from 'node:crypto'
import {
  type ConnectorSettings,
  type ConsentStart,
  findDriver,
  type ProviderAccess,
} from '@valetkey/connectors'
import { followConsent } from '@valetkey/example-support'
import { createEmulator, type EmulatorOptions } from 'emulate'
import { afterEach, describe, expect, it } from 'vitest'

const redirectUri = 'https://broker.example/v1/connect/callback/scl_1'
const clientId = 'client-1'
const clientSecret = 'a-secret-of-the-test'
const app = { client_id: clientId, client_secret: clientSecret, name: 'Valet', redirect_uris: [redirectUri] }
const tenant = '9188040d-6c67-4c5b-b112-36a304b66dad'

const access: ProviderAccess = {
  fetch: globalThis.fetch,
  now: Date.now,
  signal: AbortSignal.timeout(600_000),
}
const start: ConsentStart = {
  kind: 'user',
  redirectUri,
  state: 'state-of-the-test',
  scopes: [],
  resources: [],
  audience: [],
  authorizationDetails: [],
  additionalParams: {},
}
const request = {
  subject: { type: 'user', id: 'u1' },
  scopes: [],
  resources: [],
  audience: [],
  authorizationDetails: [],
} as const

const closing: { close: () => Promise<void> }[] = []
afterEach(async () => {
  for (const each of closing.splice(0)) await each.close()
})

async function emulator(options: EmulatorOptions): Promise<string> {
  const service = await createEmulator({ port: 0, ...options })
  closing.push(service)
  return service.url
}

function driverOf(service: string) {
  const driver = findDriver(service)
  if (driver?.consent === undefined) throw new Error(`There is no consent at ${service}`)
  return { driver, consent: driver.consent }
}

async function checked(service: string, data: object): Promise<ConnectorSettings> {
  const { driver } = driverOf(service)
  const settings = driver.parseSettings(data)
  const { configuration } = await driver.check(settings, access)
  return { ...settings, configuration: { ...settings.configuration, ...configuration } }
}

/** As the person who has `who` somewhere in the form. */
async function agree(
  service: string,
  settings: ConnectorSettings,
  changes: Partial<ConsentStart> = {},
  who?: string,
) {
  const { consent } = driverOf(service)
  const wanted = { ...start, ...changes }
  const started = await consent.start(settings, wanted, access)
  if ('outcome' in started) throw new Error(started.message)
  const url = await followConsent(started.url, redirectUri, (forms) =>
    forms.find(({ fields }) => who === undefined || Object.values(fields).includes(who)),
  )
  const callback = { url, start: wanted, pending: started.pending }
  const finished = await consent.finish(settings, callback, access)
  if (finished.outcome === 'refused') throw new Error(finished.message)
  // A code is good for one time.
  expect(await consent.finish(settings, callback, access)).toMatchObject({ reason: 'provider_refused' })
  return finished
}

async function refresh(
  service: string,
  settings: ConnectorSettings,
  grant: Awaited<ReturnType<typeof agree>>,
) {
  const kept: unknown[] = []
  const keep = async (rotated: unknown) => void kept.push(rotated)
  const result = await driverOf(service).consent.refresh?.(settings, grant.credential, access, keep)
  return { kept, result }
}

describe('Linear', () => {
  it('gives, rotates and ends a grant', async () => {
    const url = await emulator({
      service: 'linear',
      seed: {
        linear: {
          users: [{ email: 'ann@example.com', name: 'Ann' }],
          oauth_apps: [{ ...app, scopes: ['read', 'write', 'issues:create'] }],
        },
      },
    })
    const settings = await checked('linear', { clientId, clientSecret, webUrl: url, apiUrl: url })
    const grant = await agree('linear', settings, { scopes: ['read', 'issues:create'] })
    expect(grant.credential.granted.scopes).toEqual(['issues:create', 'read'])
    expect(grant.identity.externalSubject).toBeTypeOf('string')
    const issued = driverOf('linear').consent.issue(settings.configuration, grant, {
      ...request,
      scopes: ['read'],
    })
    expect(issued).toMatchObject({ outcome: 'minted', origins: [url], enforcedBy: 'none' })

    const { kept, result } = await refresh('linear', settings, grant)
    expect(kept).toHaveLength(1)
    if (result?.outcome !== 'refreshed') throw new Error('not refreshed')
    expect((await refresh('linear', settings, grant)).result).toEqual({ outcome: 'ended' })
    const { consent } = driverOf('linear')
    expect(await consent.endGrant?.(settings, result.credential, access, { accountInUse: false })).toBe(
      'revoked',
    )
    const successor = { ...grant, credential: result.credential }
    expect((await refresh('linear', settings, successor)).result).toEqual({ outcome: 'ended' })
  })

  it('gives the app a token, and refuses scopes it was not registered with', async () => {
    const url = await emulator({
      service: 'linear',
      seed: { linear: { oauth_apps: [{ ...app, scopes: ['read'], actor: 'app' }] } },
    })
    const settings = await checked('linear', { clientId, clientSecret, webUrl: url, apiUrl: url })
    const { driver } = driverOf('linear')
    const asApp = { ...request, subject: { type: 'app' } } as const
    expect(await driver.mint(settings, { ...asApp, scopes: ['read'] }, access)).toMatchObject({
      outcome: 'minted',
      granted: { scopes: ['read'] },
    })
    expect(await driver.mint(settings, { ...asApp, scopes: ['admin'] }, access)).toMatchObject({
      reason: 'above_grant',
    })
    const wrong = { ...settings, secrets: { clientSecret: 'wrong' } }
    expect(await driver.mint(wrong, asApp, access)).toMatchObject({ reason: 'provider_refused' })
  })
})

describe('Google', () => {
  it('gives a grant whose refresh token stays, and ends it', async () => {
    const url = await emulator({
      service: 'google',
      seed: {
        google: {
          users: [{ email: 'ann@example.com', name: 'Ann', email_verified: true }],
          oauth_clients: [app],
        },
      },
    })
    const settings = await checked('google', {
      clientId,
      clientSecret,
      webUrl: url,
      apiUrl: `${url}/oauth2`,
    })
    const scopes = ['openid', 'email', 'https://www.googleapis.com/auth/gmail.readonly']
    const grant = await agree('google', settings, { scopes, signIn: true }, 'ann@example.com')
    expect(grant.identity).toMatchObject({ claims: { email: 'ann@example.com', emailVerified: true } })
    const { kept, result } = await refresh('google', settings, grant)
    expect(kept).toEqual([])
    expect(result).toMatchObject({ credential: { refreshToken: grant.credential.refreshToken } })
    const { consent } = driverOf('google')
    expect(await consent.endGrant?.(settings, grant.credential, access, { accountInUse: false })).toBe(
      'revoked',
    )
    expect((await refresh('google', settings, grant)).result).toEqual({ outcome: 'ended' })
  })
})

describe('Microsoft', () => {
  it('gives a grant of one tenant, with a refresh token that is replaced', async () => {
    const url = await emulator({
      service: 'microsoft',
      seed: {
        microsoft: {
          users: [{ email: 'ann@example.com', name: 'Ann', tenant_id: tenant }],
          oauth_clients: [{ ...app, tenant_id: tenant }],
        },
      },
    })
    const settings = await checked('microsoft', { clientId, clientSecret, tenant, webUrl: url, apiUrl: url })
    const grant = await agree('microsoft', settings, { scopes: ['openid', 'User.Read'] })
    expect(grant.identity.externalSubject).toBeTypeOf('string')
    expect(grant.credential.granted.scopes).toContain('offline_access')
    // emulate does not know whether the address is verified, and does not say so.
    expect(grant.identity.claims).not.toHaveProperty('emailVerified')
    const { kept, result } = await refresh('microsoft', settings, grant)
    expect(kept).toHaveLength(1)
    expect(result).toMatchObject({ outcome: 'refreshed' })
    const { consent } = driverOf('microsoft')
    expect(await consent.endGrant?.(settings, grant.credential, access, { accountInUse: false })).toBe(
      'unsupported',
    )
  })
})

describe('Okta', () => {
  it('gives, rotates and ends a grant', async () => {
    const url = await emulator({
      service: 'okta',
      seed: {
        okta: {
          users: [{ login: 'ann@example.com', email: 'ann@example.com' }],
          oauth_clients: [
            { ...app, auth_server_id: 'default', token_endpoint_auth_method: 'client_secret_basic' },
          ],
        },
      },
    })
    const data = { clientId, clientSecret, webUrl: url, authorizationServerId: 'default' }
    const settings = await checked('okta', data)
    const grant = await agree('okta', settings, { scopes: ['openid', 'email'], signIn: true })
    expect(grant.identity.externalSubject).toBeTypeOf('string')
    const { kept, result } = await refresh('okta', settings, grant)
    expect(kept).toHaveLength(1)
    if (result?.outcome !== 'refreshed') throw new Error('not refreshed')
    const { consent } = driverOf('okta')
    expect(await consent.endGrant?.(settings, result.credential, access, { accountInUse: false })).toBe(
      'revoked',
    )
    const successor = { ...grant, credential: result.credential }
    expect((await refresh('okta', settings, successor)).result).toEqual({ outcome: 'ended' })
  })
})

describe('Slack', () => {
  async function connect() {
    const url = await emulator({
      service: 'slack',
      seed: {
        slack: {
          team: { name: 'Acme' },
          users: [{ name: 'ann', email: 'ann@example.com' }],
          oauth_apps: [{ ...app, scopes: ['chat:write', 'channels:read'] }],
        },
      },
    })
    const data = { clientId, clientSecret, botScopes: ['chat:write'], userScopes: ['search:read'] }
    return { url, settings: await checked('slack', { ...data, apiUrl: `${url}/api` }) }
  }

  it('gives a person their own token', async () => {
    const { url, settings } = await connect()
    const grant = await agree('slack', settings)
    expect(grant.credential.accessToken).toMatch(/^xoxp-/)
    expect(grant.credential).toMatchObject({
      accessExpiresAtMs: null,
      granted: { scopes: ['search:read'] },
    })
    expect(grant.credential).not.toHaveProperty('refreshToken')
    const issued = driverOf('slack').consent.issue(settings.configuration, grant, {
      ...request,
      scopes: ['search:read'],
    })
    expect(issued).toMatchObject({ outcome: 'minted', origins: [url], enforcedBy: 'provider' })
    expect((await refresh('slack', settings, grant)).result).toEqual({ outcome: 'ended' })
    // emulate has no auth.revoke.
    const { consent } = driverOf('slack')
    expect(await consent.endGrant?.(settings, grant.credential, access, { accountInUse: false })).toBe(
      'unsupported',
    )
  })

  it('installs the app in a workspace', async () => {
    const { url, settings } = await connect()
    const grant = await agree('slack', settings, { kind: 'installation' })
    expect(grant.credential.accessToken).toMatch(/^xoxb-/)
    expect(grant.identity).toMatchObject({ installationId: expect.stringMatching(/^T/), name: 'Acme' })
    expect(grant.identity.tenantId).toBe(grant.identity.installationId)
    const answer = await fetch(`${url}/api/auth.test`, {
      method: 'POST',
      headers: { authorization: `Bearer ${grant.credential.accessToken}` },
    })
    expect(await answer.json()).toMatchObject({ ok: true })
  })
})

describe('GitHub', () => {
  it('gives a person a token of the App, by the code alone', async () => {
    const privateKeyPem = generateKeyPairSync('rsa', { modulusLength: 2048 })
      .privateKey.export({ type: 'pkcs1', format: 'pem' })
      .toString()
    const url = await emulator({
      service: 'github',
      seed: {
        github: {
          users: [{ login: 'octocat', email: 'octocat@example.com' }],
          oauth_apps: [app],
          apps: [{ app_id: 1, slug: 'valet', name: 'Valet', private_key: privateKeyPem, installations: [] }],
        },
      },
    })
    const data = { appId: 1, privateKeyPem, clientId, clientSecret, apiUrl: url, webUrl: url }
    const settings = await checked('github', data)
    const { consent } = driverOf('github')
    expect(consent.behaviour(settings.configuration).kinds).toEqual(['user', 'installation'])
    const grant = await agree('github', settings, { signIn: true }, 'octocat')
    expect(grant.identity).toMatchObject({
      name: 'octocat',
      claims: { email: 'octocat@example.com', emailVerified: true },
    })
    const issued = consent.issue(settings.configuration, grant, request)
    if (issued.outcome !== 'minted') throw new Error(issued.message)
    const answer = await fetch(`${url}/user`, { headers: { authorization: `Bearer ${issued.token}` } })
    expect(await answer.json()).toMatchObject({ login: 'octocat' })
  })
})
