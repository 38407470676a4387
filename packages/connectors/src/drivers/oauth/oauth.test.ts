import { afterEach, describe, expect, test } from 'vitest'
import { InvalidSettings } from '../../driver.ts'
import { appRequest, type FakeAnswer } from '../../test-server.ts'
import { oauthDriver as driver } from './oauth.ts'
import {
  access,
  clientSecret,
  closeFakes,
  consent,
  fake,
  privateKeyPem,
  settingsAt,
} from './test-connector.ts'

afterEach(closeFakes)

describe('settings', () => {
  test('keep secrets out of the public configuration', () => {
    const { configuration, secrets } = settingsAt('https://as.example', {
      jwtBearer: { privateKeyPem },
      clientAssertion: { privateKeyPem },
      tokenEndpointAuthMethod: 'client_secret_post',
    })
    expect(JSON.stringify(configuration)).not.toMatch(/client-secret|PRIVATE/)
    expect(Object.keys(secrets).sort()).toEqual([...driver.secretFields].sort())
  })

  test.each([
    [{}, 'clientId'],
    [{ clientId: 'c' }, 'Give either serverUrl or serverConfig'],
    [
      { clientId: 'c', serverUrl: 'https://a.example', serverConfig: { tokenEndpoint: 'https://a.example' } },
      'Give either',
    ],
    [{ clientId: 'c', serverUrl: 'http://as.example' }, 'serverUrl must be https'],
    [
      { clientId: 'c', serverConfig: { tokenEndpoint: 'http://as.example/t' } },
      'serverConfig.tokenEndpoint must be an https URL',
    ],
    [
      { clientId: 'c', serverConfig: { tokenEndpoint: 'https://u:p@as.example/t' } },
      'serverConfig.tokenEndpoint must be',
    ],
    [
      { clientId: 'c', serverUrl: 'https://a.example', tokenEndpointAuthMethod: 'client_secret_post' },
      'clientSecret is required',
    ],
    [
      { clientId: 'c', serverUrl: 'https://a.example', tokenEndpointAuthMethod: 'private_key_jwt' },
      'clientAssertion is required',
    ],
    [
      { clientId: 'c', serverUrl: 'https://a.example', clientAssertion: { privateKeyPem: 'x' } },
      'clientAssertion.privateKeyPem is not a private key',
    ],
    [
      {
        clientId: 'c',
        serverUrl: 'https://a.example',
        clientAssertion: { privateKeyPem, algorithm: 'ES256' },
      },
      'not a P-256 key',
    ],
    [
      { clientId: 'c', serverUrl: 'https://a.example', authorizationUrlParams: { redirect_uri: 'x' } },
      "must not hold redirect_uri: it is OAuth's own",
    ],
    [
      { clientId: 'c', serverUrl: 'https://a.example', authorizationUrlParams: { State: 'x' } },
      'must not hold State',
    ],
    [
      { clientId: 'c', serverUrl: 'https://a.example', quirks: { surprise: 1 } },
      'Unknown field surprise in quirks',
    ],
  ])('refuse %j', (data, message) => {
    expect(() => driver.parseSettings(data)).toThrow(message)
  })

  test('an update keeps what it does not name, and takes the other way to name the server', () => {
    const before = settingsAt('https://as.example')
    const after = driver.mergeSettings(before, { defaultAudience: 'api' })
    expect(after.configuration).toEqual({ ...before.configuration, defaultAudience: 'api' })
    expect(after.secrets).toEqual(before.secrets)
    const moved = driver.mergeSettings(before, { serverUrl: 'https://as.example', clientSecret: 's' })
    expect(moved.configuration).not.toHaveProperty('serverConfig')
  })

  test('a stored secret is never sent to an address that came later', () => {
    const before = settingsAt('https://as.example', { jwtBearer: { privateKeyPem } })
    const serverConfig = { tokenEndpoint: 'https://elsewhere.example/token' }
    expect(() => driver.mergeSettings(before, { serverConfig })).toThrow(
      'clientSecret is required again when serverConfig changes',
    )
    expect(() => driver.mergeSettings(before, { serverConfig, clientSecret })).toThrow(
      'jwtBearer is required',
    )
    const given = { serverConfig, clientSecret, jwtBearer: { privateKeyPem } }
    expect(driver.mergeSettings(before, given).configuration.serverConfig).toMatchObject(serverConfig)
  })
})

describe('what people and operators are told', () => {
  const configurationOf = (data: object) => settingsAt('https://as.example', data).configuration
  const tokenEndpoint = 'https://token.example/t'

  test.each([
    ['https://login.crm.example', 'login.crm.example'],
    ['https://login.crm.example:8443', 'login.crm.example:8443'],
    ['https://lögin.example', 'xn--lgin-5qa.example'],
  ])('a connector whose people are sent to %s is called %s', (origin, title) => {
    const serverConfig = { issuer: 'https://id.example', authorizationEndpoint: `${origin}/a`, tokenEndpoint }
    expect(consent.titleOf(configurationOf({ serverConfig }))).toBe(title)
  })

  test('a connector without such a place is called by its issuer, else by what is known', () => {
    const serverConfig = { issuer: 'https://id.example', tokenEndpoint }
    expect(consent.titleOf(configurationOf({ serverConfig }))).toBe('id.example')
    expect(consent.titleOf(configurationOf({ serverConfig: { tokenEndpoint } }))).toBe('token.example')
    const unchecked = { serverUrl: 'https://as.example/tenant', clientId: 'c' }
    expect(consent.titleOf(driver.parseSettings(unchecked).configuration)).toBe('as.example')
  })

  test('scopes have the words of the settings, else those of OpenID Connect', () => {
    const scopeTitles = { 'contacts.read': 'See your contacts', email: 'See where to write to you' }
    const configuration = configurationOf({ scopeTitles })
    expect(configuration.scopeTitles).toEqual(scopeTitles)
    expect(consent.scopeTitlesOf(configuration)).toEqual({ ...consent.scopeTitles, ...scopeTitles })
    for (const scope of ['openid', 'profile', 'email', 'offline_access', 'address', 'phone'])
      expect(consent.scopeTitles).toHaveProperty([scope])
    for (const words of ['', 'a\nb', 'a\u202Eb', 'x'.repeat(101), 7])
      expect(() => configurationOf({ scopeTitles: { read: words } })).toThrow(InvalidSettings)
  })

  test('subjects are those that are enabled, also where only a secret tells', async () => {
    const on = { enabled: true }
    for (const [data, subjects] of [
      [{}, ['user']],
      [{ clientCredentials: on }, ['app']],
      [{ userAuthorization: { enabled: false }, clientCredentials: on, tokenExchange: on }, ['app', 'token']],
      [{ userAuthorization: on, jwtBearer: { privateKeyPem } }, ['user', 'jwt-bearer']],
      [{ jwtBearer: { privateKeyPem, enabled: false } }, []],
    ] as const) {
      const settings = settingsAt('https://as.example', data)
      const checked = await driver.check(settings, access)
      const configuration = { ...settings.configuration, ...checked.configuration }
      expect(driver.subjectsOf?.(configuration)).toEqual(subjects)
    }
  })
})

describe('discovery', () => {
  const metadata = (url: string) => ({
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
  })
  async function check(change: (url: string) => Record<string, FakeAnswer>, path = '') {
    const answers: Record<string, FakeAnswer> = {}
    const server = await fake(answers)
    Object.assign(answers, change(server.url))
    const settings = driver.parseSettings({ serverUrl: `${server.url}${path}`, clientId: 'c' })
    return await driver.check(settings, access)
  }

  test('takes the metadata of OpenID Connect, and that of RFC 8414 with its path inserted', async () => {
    const oidc = await check((url) => ({ '/.well-known/openid-configuration': { json: metadata(url) } }))
    expect(oidc.configuration).toMatchObject({ server: { tokenEndpoint: expect.stringMatching(/\/token$/) } })
    const oauth = await check(
      (url) => ({
        '/.well-known/oauth-authorization-server/tenant': { json: metadata(`${url}/tenant`) },
      }),
      '/tenant',
    )
    expect(oauth.configuration).toMatchObject({ server: { issuer: expect.stringMatching(/\/tenant$/) } })
  })

  test.each([
    ['another issuer', { issuer: 'https://attacker.example' }, 'names another issuer'],
    ['an issuer that only begins the same', { issuer: 'http://127.0.0.1' }, 'names another issuer'],
    ['an endpoint in the clear', { token_endpoint: 'http://as.example/token' }, 'not usable: token_endpoint'],
    ['an endpoint that is no address', { revocation_endpoint: 'javascript:x' }, 'not usable: revocation'],
    ['no PKCE by S256', { code_challenge_methods_supported: ['plain'] }, 'PKCE with S256'],
  ])('refuses metadata with %s', async (_what, change, message) => {
    const found = check((url) => ({
      '/.well-known/openid-configuration': { json: { ...metadata(url), ...change } },
    }))
    await expect(found).rejects.toThrow(InvalidSettings)
    await expect(found).rejects.toThrow(message)
  })

  test('remembers which scopes there are, but none that could not be one', async () => {
    const scopesIn = async (scopes: unknown) => {
      const found = await check((url) => ({
        '/.well-known/openid-configuration': { json: { ...metadata(url), scopes_supported: scopes } },
      }))
      return found.configuration.server
    }
    expect(await scopesIn(['openid', 'a b', '', 'email'])).toMatchObject({
      scopesSupported: ['openid', 'email'],
    })
    expect(await scopesIn('openid email')).not.toHaveProperty('scopesSupported')
  })

  test('follows no redirect, and says when there is nothing', async () => {
    const away = { status: 302, headers: { location: '/elsewhere' } }
    await expect(check(() => ({ '/.well-known/openid-configuration': away }))).rejects.toThrow('redirect')
    await expect(check(() => ({}))).rejects.toThrow('no metadata')
  })

  test('a connector that was never checked asks nobody', async () => {
    const settings = driver.parseSettings({ serverUrl: 'https://as.example', clientId: 'c' })
    await expect(driver.mint(settings, appRequest(), access)).rejects.toThrow(InvalidSettings)
  })
})
