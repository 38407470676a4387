import { afterEach, describe, expect, test } from 'vitest'
import { InvalidSettings } from '../../driver.ts'
import { appRequest, type FakeAnswer } from '../../test-server.ts'
import { oauthDriver as driver } from './oauth.ts'
import { access, clientSecret, closeFakes, fake, privateKeyPem, settingsAt } from './test-connector.ts'

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
