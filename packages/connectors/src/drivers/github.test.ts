import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ConnectorSettings, InvalidSettings, ProviderFault } from '../driver.ts'
import { type FakeGitHub, fakeGitHub, issuedToken, now, privateKeyPem } from '../test-github.ts'
import { accessAt } from '../test-server.ts'
import { githubDriver as driver } from './github.ts'

const access = accessAt(now)
let github: FakeGitHub
let settings: ConnectorSettings

beforeEach(async () => {
  github = await fakeGitHub()
  settings = driver.parseSettings({ appId: 12345, privateKeyPem, apiUrl: `${github.url}/api/v3` })
})

afterEach(() => github.close())

describe('settings', () => {
  test('keep key and secrets out of the public configuration', () => {
    const { configuration, secrets } = driver.parseSettings({
      appId: '12345',
      privateKeyPem,
      clientSecret: 'client-secret',
      webhookSecret: 'webhook-secret',
    })
    expect(configuration).toEqual({
      appId: '12345',
      apiUrl: 'https://api.github.com',
      webUrl: 'https://github.com',
    })
    expect(Object.keys(secrets).sort()).toEqual([...driver.secretFields].sort())
  })

  test.each([
    [{}, 'appId is required'],
    [{ appId: 'Iv1.x' }, 'appId must be the number of the GitHub App'],
    [{ appId: 0 }, 'appId must be'],
    [{ appId: 1.5 }, 'appId must be'],
    [{ appId: 1 }, 'privateKeyPem is required'],
    [{ appId: 1, privateKeyPem: 'x' }, 'privateKeyPem is not an RSA private key'],
    [{ appId: 1, privateKeyPem, apiUrl: 'ghe.example' }, 'apiUrl must be an http or https URL'],
    [{ appId: 1, privateKeyPem, apiUrl: 'file:///etc' }, 'apiUrl must be an http or https URL'],
    [{ appId: 1, privateKeyPem, apiUrl: 'https://a@ghe.example' }, 'apiUrl must not hold credentials'],
    [
      { appId: 1, privateKeyPem, webUrl: 'https://ghe.example/#' },
      'webUrl must not have a query or a fragment',
    ],
    [{ appId: 1, privateKeyPem, installationId: 1 }, 'Unknown field installationId'],
  ])('refuse %j', (data, message) => {
    expect(() => driver.parseSettings(data)).toThrow(message)
  })

  test('never repeat the key in a message', () => {
    const body = privateKeyPem.split('\n')[2] ?? 'none'
    for (const data of [
      { appId: privateKeyPem, privateKeyPem },
      { appId: 1, privateKeyPem: privateKeyPem.slice(0, -40) },
      { appId: 1, privateKeyPem, [privateKeyPem]: 1 },
    ])
      expect(() => driver.parseSettings(data)).not.toThrow(body)
  })

  test('an update keeps what it does not name', () => {
    const after = driver.mergeSettings(settings, { webhookSecret: 'w', webUrl: 'https://ghe.example/' })
    expect(after.secrets).toEqual({ ...settings.secrets, webhookSecret: 'w' })
    expect(after.configuration).toEqual({ ...settings.configuration, webUrl: 'https://ghe.example' })
  })

  test('the JWT of a stored key is never sent to an address that came later', () => {
    const apiUrl = 'https://elsewhere.example'
    expect(() => driver.mergeSettings(settings, { apiUrl })).toThrow('privateKeyPem is required again')
    expect(driver.mergeSettings(settings, { apiUrl, privateKeyPem }).configuration.apiUrl).toBe(apiUrl)
  })
})

describe('check', () => {
  test('learns what the app is called', async () => {
    await expect(driver.check(settings, access)).resolves.toEqual({
      configuration: { appSlug: 'valet', appName: 'Valet', appOwner: 'acme' },
    })
  })

  test('does without what GitHub leaves out', async () => {
    github.overrides['GET /app'] = { json: { id: 12345, owner: null, name: 'a\u202Eb' } }
    await expect(driver.check(settings, access)).resolves.toEqual({ configuration: {} })
  })

  test.each([
    [
      { status: 401 },
      new InvalidSettings('GitHub does not accept privateKeyPem as a key of the app that appId names'),
    ],
    [
      { status: 404 },
      new InvalidSettings('GitHub does not accept privateKeyPem as a key of the app that appId names'),
    ],
    [{ status: 403 }, new InvalidSettings('GitHub refused the app (status 403)')],
    [
      { json: { id: 9 } },
      new InvalidSettings('GitHub knows privateKeyPem as a key of another app than appId names'),
    ],
    [{ status: 500 }, new ProviderFault('GitHub answered with status 500', { status: 500 })],
    [
      { json: {} },
      new ProviderFault('GitHub answered in a form that was not expected (status 200)', { status: 200 }),
    ],
  ])('tells a wrong credential from a fault: %j', async (answer, error) => {
    github.overrides['GET /app'] = answer
    await expect(driver.check(settings, access)).rejects.toThrow(error)
  })
})

describe('ending a token', () => {
  const end = (token: string) => driver.revokeToken?.(settings, token, access)

  test('is done by GitHub, with the token itself', async () => {
    await expect(end(issuedToken)).resolves.toBe('revoked')
    expect(github.calls()).toEqual(['DELETE /installation/token'])
  })

  test('that GitHub no longer knows has been done already', async () => {
    await expect(end('ghs_old')).resolves.toBe('already_ended')
  })

  test.each([200, 403, 404, 500])('is not claimed after a %i, which proves nothing', async (status) => {
    github.overrides['DELETE /installation/token'] = { status }
    await expect(end(issuedToken)).rejects.toThrow(ProviderFault)
  })
})

test('the home page is that of the server the app lives on', () => {
  expect(driver.clientUrl(settings.configuration)).toBe('https://github.com')
  expect(driver.clientUrl({})).toBeUndefined()
})
