import { describe, expect, test } from 'vitest'
import type { ConsentStart } from '../../consent.ts'
import type { Driver } from '../../driver.ts'
import { accessAt, appRequest } from '../../test-server.ts'
import { googleDriver, linearDriver, microsoftDriver, oktaDriver } from './services.ts'

const access = accessAt(Date.parse('2026-11-21T12:00:00Z'))
const tenant = '9188040d-6c67-4c5b-b112-36a304b66dad'
const client = { clientId: 'client-1', clientSecret: 'client-secret-of-the-test' }
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

async function urlOf(driver: Driver, data: object, changes: Partial<ConsentStart> = {}): Promise<URL> {
  const settings = driver.parseSettings({ ...client, ...data })
  const started = await driver.consent?.start(settings, { ...start, ...changes }, access)
  if (started === undefined || 'outcome' in started) throw new Error('not started')
  return new URL(started.url)
}

describe.each([
  [
    linearDriver,
    {},
    'https://linear.app/oauth/authorize',
    ['https://api.linear.app', 'https://mcp.linear.app'],
  ],
  [googleDriver, {}, 'https://accounts.google.com/o/oauth2/v2/auth', undefined],
  [
    microsoftDriver,
    { tenant },
    `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/authorize`,
    ['https://graph.microsoft.com'],
  ],
  [
    oktaDriver,
    { domain: 'acme.okta.com' },
    'https://acme.okta.com/oauth2/v1/authorize',
    ['https://acme.okta.com'],
  ],
])('$service', (driver, data, authorize, origins) => {
  test('asks at its own address, with PKCE', async () => {
    const url = await urlOf(driver, data, { scopes: ['a', 'b'] })
    expect(`${url.origin}${url.pathname}`).toBe(authorize)
    expect(url.searchParams.get('code_challenge_method')).toBe('S256')
  })

  test('lets its tokens go to its own origins only', () => {
    const settings = driver.parseSettings({ ...client, ...data })
    const credential = {
      accessToken: 'at-1',
      accessExpiresAtMs: null,
      granted: { scopes: [], resources: [], authorizationDetails: [] },
    }
    const issued = driver.consent?.issue(settings.configuration, { credential, identity: {} }, appRequest())
    if (issued?.outcome !== 'minted') throw new Error('not issued')
    if (origins !== undefined) expect(issued.origins).toEqual(origins)
    for (const origin of issued.origins) expect(new URL(origin).origin).toBe(origin)
  })

  test('keeps its secret to itself, and wants it again when its address changes', () => {
    const settings = driver.parseSettings({ ...client, ...data })
    expect(settings.secrets).toEqual({ clientSecret: client.clientSecret })
    const webUrl = 'https://elsewhere.example'
    expect(() => driver.mergeSettings(settings, { webUrl })).toThrow('clientSecret is required again')
    expect(driver.mergeSettings(settings, { webUrl, ...client }).configuration.webUrl).toBe(webUrl)
    expect(() => driver.parseSettings({ ...data, clientId: 'c' })).toThrow('clientSecret is required')
  })

  test('names its default scopes for people', () => {
    const scopes = driver.consent?.defaultScopes({}, 'user') ?? []
    for (const scope of scopes) expect(driver.consent?.scopeTitles).toHaveProperty([scope])
    expect(driver.consent?.scopeTitlesOf?.({})).toEqual(driver.consent?.scopeTitles)
    expect(driver.consent?.scopeTitles).toHaveProperty('phone')
  })

  test('is called by its own name', () => {
    expect(driver.consent?.titleOf?.({})).toBe(driver.title)
  })
})

test('asks for what makes the provider give a refresh token, as long as it is used', async () => {
  const google = await urlOf(googleDriver, {}, { scopes: ['openid'] })
  expect(google.searchParams.get('access_type')).toBe('offline')
  expect(google.searchParams.get('prompt')).toBe('consent')
  const microsoft = await urlOf(microsoftDriver, { tenant }, { scopes: ['User.Read'] })
  expect(microsoft.searchParams.get('scope')).toBe('User.Read offline_access')
  const without = { tenant, refreshTokens: { enabled: false } }
  const once = await urlOf(microsoftDriver, without, { scopes: ['User.Read'] })
  expect(once.searchParams.get('scope')).toBe('User.Read')
  const linear = await urlOf(linearDriver, {}, { scopes: ['read', 'write'] })
  expect(linear.searchParams.get('scope')).toBe('read,write')
})

test('asks who the person is where the broker will vouch for it', async () => {
  const url = await urlOf(oktaDriver, { domain: 'acme.okta.com' }, { scopes: ['groups'], signIn: true })
  expect(url.searchParams.get('scope')).toBe('openid profile email groups offline_access')
  expect(url.searchParams.get('nonce')).toMatch(/^[\w-]{43}$/)
})

test.each(['common', 'organizations', 'contoso.onmicrosoft.com', `${tenant}/..`, ''])(
  'a Microsoft tenant can not be %j, whose issuer nobody could compare',
  (name) => {
    expect(() => microsoftDriver.parseSettings({ ...client, tenant: name })).toThrow('tenant must')
  },
)

test.each(['acme', 'acme.okta.com/x', 'acme.okta.com@evil.example', 'acme.okta.com:1'])(
  'an Okta domain can not be %j',
  (domain) => {
    expect(() => oktaDriver.parseSettings({ ...client, domain })).toThrow('domain must be a host name')
  },
)

test('Okta needs a domain', () => {
  expect(() => oktaDriver.parseSettings(client)).toThrow('domain or webUrl is required')
})
