import {
  type ConnectorSettings,
  type ConsentStart,
  findDriver,
  type ProviderAccess,
} from '@valetkey/connectors'
import { followConsent } from '@valetkey/example-support'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  clientSecret,
  redirectUri,
  resource,
  startAuthorizationServer,
} from './support/oauth-server.ts'

const found = findDriver('oauth')
if (found?.consent === undefined) throw new Error('There is no driver for OAuth')
const driver = found
const consent = found.consent

const access: ProviderAccess = {
  fetch: globalThis.fetch,
  now: Date.now,
  signal: AbortSignal.timeout(600_000),
}
const scopes = ['openid', 'offline_access', 'email', 'read']
const start: ConsentStart = {
  kind: 'user',
  redirectUri,
  state: 'state-of-the-test',
  scopes,
  resources: [],
  audience: [],
  authorizationDetails: [],
  additionalParams: {},
}
const request = { scopes: [], resources: [], audience: [], authorizationDetails: [] } as const
const person = { ...request, subject: { type: 'user', id: 'u1' } } as const

describe('OAuth consent at a certified provider', () => {
  let server: AuthorizationServer
  beforeAll(async () => {
    server = await startAuthorizationServer()
  })
  afterAll(() => server.close())

  async function connect(data: object = {}): Promise<ConnectorSettings> {
    const settings = driver.parseSettings({
      serverUrl: server.issuer,
      clientId: 'by-basic',
      clientSecret,
      // Without it the provider gives no refresh token (OpenID Connect Core §11).
      authorizationUrlParams: { prompt: 'consent' },
      ...data,
    })
    const checked = await driver.check(settings, access)
    server.calls()
    return { ...settings, configuration: { ...settings.configuration, ...checked.configuration } }
  }

  async function come(settings: ConnectorSettings, changes: Partial<ConsentStart> = {}) {
    const wanted = { ...start, ...changes }
    const started = await consent.start(settings, wanted, access)
    if ('outcome' in started) throw new Error(started.message)
    const url = await followConsent(started.url, redirectUri)
    return { started, callback: { url, start: wanted, pending: started.pending } }
  }

  async function agree(settings: ConnectorSettings, changes: Partial<ConsentStart> = {}) {
    const { callback } = await come(settings, changes)
    const finished = await consent.finish(settings, callback, access)
    if (finished.outcome === 'refused') throw new Error(finished.message)
    return finished
  }

  async function refresh(settings: ConnectorSettings, grant: Awaited<ReturnType<typeof agree>>) {
    const kept: unknown[] = []
    const result = await consent.refresh?.(settings, grant.credential, access, async (rotated) => {
      kept.push(rotated)
    })
    return { kept, result }
  }

  async function isActive(token: string): Promise<boolean> {
    const answer = await fetch(`${server.issuer}/token/introspection`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`by-basic:${clientSecret}`)}` },
      body: new URLSearchParams({ token }),
    })
    return ((await answer.json()) as { active: boolean }).active
  }

  it('goes from start to end of a grant', async () => {
    const settings = await connect()
    const { started, callback } = await come(settings)
    // Pushed: the browser sees nothing of the request.
    expect([...new URL(started.url).searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    expect(callback.url.searchParams.get('iss')).toBe(server.issuer)

    server.calls()
    const grant = await consent.finish(settings, callback, access)
    if (grant.outcome === 'refused') throw new Error(grant.message)
    expect(server.calls()).toEqual(['POST /token', 'GET /me'])
    expect(grant.identity).toMatchObject({
      externalSubject: 'person-1',
      claims: { email: 'person@example.com', emailVerified: true },
    })
    expect(grant.credential.refreshToken).toBeTypeOf('string')
    expect(grant.credential.granted.scopes).toEqual(expect.arrayContaining(['offline_access', 'openid']))

    const issued = consent.issue(settings.configuration, grant, { ...person, scopes: ['email'] })
    expect(issued).toMatchObject({ outcome: 'minted', origins: [server.issuer], enforcedBy: 'none' })
    expect(consent.issue(settings.configuration, grant, { ...person, scopes: ['write'] })).toMatchObject({
      reason: 'above_grant',
    })

    server.calls()
    const { kept, result } = await refresh(settings, grant)
    expect(server.calls()).toEqual(['POST /token'])
    if (result?.outcome !== 'refreshed') throw new Error('not refreshed')
    expect(result.credential.refreshToken).not.toBe(grant.credential.refreshToken)
    expect(kept).toMatchObject([
      { refreshToken: result.credential.refreshToken, accessToken: result.credential.accessToken },
    ])

    expect(await isActive(result.credential.accessToken ?? '')).toBe(true)
    expect(await consent.endGrant?.(settings, result.credential, access, { accountInUse: false })).toBe(
      'revoked',
    )
    expect(await isActive(result.credential.accessToken ?? '')).toBe(false)
    expect((await refresh(settings, { ...grant, credential: result.credential })).result).toEqual({
      outcome: 'ended',
    })
  })

  it('ends when a spent refresh token is used again, which takes the whole family along', async () => {
    const settings = await connect()
    const grant = await agree(settings)
    const { result } = await refresh(settings, grant)
    if (result?.outcome !== 'refreshed') throw new Error('not refreshed')
    expect((await refresh(settings, grant)).result).toEqual({ outcome: 'ended' })
    const successor = { ...grant, credential: result.credential }
    expect((await refresh(settings, successor)).result).toEqual({ outcome: 'ended' })
  })

  it.each([
    ['client_secret_basic', { clientId: 'by-basic' }],
    ['client_secret_post', { clientId: 'by-post', tokenEndpointAuthMethod: 'client_secret_post' }],
    ['private_key_jwt', { clientId: 'by-key', clientSecret: undefined }],
    ['none', { clientId: 'by-nothing', clientSecret: undefined }],
  ])('works for a client by %s', async (method, data) => {
    const { privateKeyPem } = server
    const key = method === 'private_key_jwt' ? { clientAssertion: { privateKeyPem, keyId: 'client-1' } } : {}
    const settings = await connect({ ...data, ...key })
    expect(settings.configuration.tokenEndpointAuthMethod).toBe(method)
    const grant = await agree(settings)
    expect((await refresh(settings, grant)).result).toMatchObject({ outcome: 'refreshed' })
    expect(await consent.endGrant?.(settings, grant.credential, access, { accountInUse: false })).toBe(
      'revoked',
    )
  })

  it('sends the resource with consent, code and refresh', async () => {
    const settings = await connect()
    const grant = await agree(settings, { resources: [resource] })
    expect(grant.credential.granted).toMatchObject({ resources: [resource], scopes: ['read'] })
    const { result } = await refresh(settings, grant)
    expect(result).toMatchObject({ credential: { granted: { resources: [resource] } } })
    expect(consent.issue(settings.configuration, grant, { ...person, resources: [resource] })).toMatchObject({
      outcome: 'minted',
    })
    expect(
      consent.issue(settings.configuration, grant, { ...person, resources: ['https://other.example'] }),
    ).toMatchObject({ reason: 'above_grant' })
  })

  it('redeems nothing for another issuer, another verifier or another state', async () => {
    const settings = await connect()
    const { callback } = await come(settings)
    const other = (change: (url: URL) => void) => {
      const url = new URL(callback.url)
      change(url)
      return { ...callback, url }
    }
    server.calls()
    const refusedBefore = [
      other((url) => url.searchParams.set('iss', 'https://attacker.example')),
      other((url) => url.searchParams.set('iss', `${server.issuer}/`)),
      other((url) => url.searchParams.delete('iss')),
      other((url) => url.searchParams.set('state', 'another')),
      other((url) => url.searchParams.set('error', 'access_denied')),
      other((url) => url.searchParams.append('code', 'another')),
    ]
    for (const each of refusedBefore)
      expect(await consent.finish(settings, each, access)).toMatchObject({ reason: 'provider_refused' })
    expect(server.calls()).toEqual([])
    const pending = { ...callback.pending, verifier: 'x'.repeat(43) }
    expect(await consent.finish(settings, { ...callback, pending }, access)).toMatchObject({
      message: expect.stringContaining('invalid_grant'),
    })
  })

  it('refuses an ID token of another consent', async () => {
    const settings = await connect()
    const { callback } = await come(settings)
    const pending = { ...callback.pending, nonce: 'another' }
    expect(await consent.finish(settings, { ...callback, pending }, access)).toMatchObject({
      outcome: 'refused',
      reason: 'provider_refused',
      message: expect.stringContaining('ID token'),
    })
  })

  it('says that the person said no', async () => {
    const settings = await connect()
    const { callback } = await come(settings, { additionalParams: { login_hint: 'refuse' } })
    expect(await consent.finish(settings, callback, access)).toMatchObject({ reason: 'denied' })
  })

  it('is a definite no when the client is unknown, its secret wrong or the scope not allowed', async () => {
    for (const data of [{ clientId: 'nobody' }, { clientSecret: 'wrong' }])
      expect(await consent.start(await connect(data), start, access)).toMatchObject({
        reason: 'provider_refused',
        message: expect.stringContaining('invalid_client'),
      })
    const settings = await connect()
    const grant = await agree(settings)
    const wrong = { ...settings, secrets: { clientSecret: 'wrong' } }
    expect((await refresh(wrong, grant)).result).toMatchObject({
      outcome: 'refused',
      message: expect.stringContaining('invalid_client'),
    })
  })

  it('mints for the app by client credentials, in one call', async () => {
    const settings = await connect({ clientCredentials: { scopes: ['read'] } })
    server.calls()
    const minted = await driver.mint(
      settings,
      { ...request, subject: { type: 'app' }, resources: [resource] },
      access,
    )
    expect(server.calls()).toEqual(['POST /token'])
    expect(minted).toMatchObject({
      outcome: 'minted',
      granted: { scopes: ['read'], resources: [resource] },
      enforcedBy: 'provider',
      origins: [server.issuer],
    })
    if (minted.outcome !== 'minted') throw new Error('not minted')
    expect(minted.expiresAtMs).toBeGreaterThan(Date.now())
    expect(await driver.revokeToken?.(settings, minted.token, access)).toBe('revoked')
    expect(await isActive(minted.token)).toBe(false)
  })

  it('learns its endpoints once, and refuses a server of another name', async () => {
    const settings = await connect()
    expect(settings.configuration.server).toMatchObject({
      issuer: server.issuer,
      tokenEndpoint: `${server.issuer}/token`,
      pushedAuthorizationRequestEndpoint: `${server.issuer}/request`,
      authorizationResponseIssParameterSupported: true,
    })
    const alias = server.issuer.replace('127.0.0.1', 'localhost')
    const other = driver.parseSettings({ serverUrl: alias, clientId: 'by-nothing' })
    await expect(driver.check(other, access)).rejects.toThrow(/names another issuer|could not be reached/)
  })
})
