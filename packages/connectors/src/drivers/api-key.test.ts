import { describe, expect, test } from 'vitest'
import type { MintRequest } from '../driver.ts'
import { accessAt, appRequest } from '../test-server.ts'
import { apiKeyDriver as driver } from './api-key.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const access = accessAt(now)

function mint(data: unknown, request: Partial<MintRequest> = {}) {
  return driver.mint(driver.parseSettings(data), appRequest(request), access)
}

const scoped = {
  values: [
    { value: 'key-read', scope: 'read' },
    { value: 'key-both', scope: 'write read' },
    { value: 'key-plain' },
  ],
}

describe('settings', () => {
  test('keep every key among the secrets and none in the public configuration', () => {
    const settings = driver.parseSettings({ ...scoped, serviceUrls: ['https://api.example.com/v1/'] })
    expect(JSON.stringify(settings.configuration)).not.toContain('key-')
    expect(settings.configuration).toEqual({
      subjectType: 'app',
      serviceUrls: ['https://api.example.com/v1'],
      scopes: ['read', 'read write'],
    })
    expect(JSON.stringify(settings.secrets)).toContain('key-both')
  })

  test('take one key as value', () => {
    expect(driver.parseSettings({ value: 'k' }).secrets).toEqual({ values: [{ value: 'k' }] })
  })

  test.each([
    [{}, 'value or values is required'],
    [{ value: '' }, 'value must not be empty'],
    [{ value: 'k\n' }, 'value must not hold control characters'],
    [{ value: ' k' }, 'begin or end with white space'],
    [{ value: 7 }, 'value must be text'],
    [{ values: [] }, 'values must not be empty'],
    [{ value: 'a', values: [{ value: 'b' }] }, 'value and values must not both be given'],
    [{ values: [{ value: 'a' }, { value: 'b' }] }, 'values must hold at most one key without a scope'],
    [
      {
        values: [
          { value: 'a', scope: 'x y' },
          { value: 'b', scope: 'y x' },
        ],
      },
      'values[1].scope must differ from that of the other keys',
    ],
    [{ values: [{ value: 'a', scope: '*' }] }, 'values[0].scope must not be *'],
    [{ values: [{ value: 'a', note: '' }] }, 'Unknown field note in values[0]'],
    [{ values: [{ value: 'a', expiresAt: 1_700_000_000 }] }, 'values[0].expiresAt must be milliseconds'],
    [{ values: [{ value: 'a', expiresAt: '2026-11-21T12:00:00' }] }, 'values[0].expiresAt must be'],
    [{ value: 'a', subjectType: 'user' }, 'subjectType must be app'],
    [{ value: 'a', serviceUrls: ['http://api.example.com'] }, 'serviceUrls[0] must be https'],
    [{ value: 'a', serviceUrls: ['http://127.0.0.1.example.com'] }, 'serviceUrls[0] must be https'],
    [{ value: 'a', serviceUrls: ['https://*.example.com'] }, 'serviceUrls[0] must name one host'],
    [{ value: 'a', serviceUrls: ['https://u:p@example.com'] }, 'serviceUrls[0] must not hold credentials'],
    [{ value: 'a', serviceUrls: ['https://example.com/?key=1'] }, 'serviceUrls[0] must not have a query'],
    [{ value: 'a', serviceUrls: ['ftp://example.com'] }, 'serviceUrls[0] must be an http or https URL'],
  ])('refuse %j', (data, message) => {
    expect(() => driver.parseSettings(data)).toThrow(message)
  })

  test('never repeat a value in a message', () => {
    const secret = 'sk-very-secret'
    for (const data of [
      { value: `${secret}\n` },
      { values: [{ value: secret, expiresAt: secret }] },
      { values: secret },
      { value: secret, serviceUrls: [secret] },
    ])
      expect(() => driver.parseSettings(data)).not.toThrow(secret)
  })

  test('allow http on loopback', () => {
    const serviceUrls = ['http://localhost:1', 'http://127.0.0.1:2', 'http://[::1]:3']
    expect(driver.parseSettings({ value: 'k', serviceUrls }).configuration.serviceUrls).toEqual(serviceUrls)
  })

  test('an update replaces what it names and keeps the rest', () => {
    const before = driver.parseSettings({
      values: [{ value: 'old', expiresAt: '2027-01-01T00:00:00Z' }],
      serviceUrls: ['https://api.example.com'],
    })
    const explained = driver.mergeSettings(before, { instructions: 'send it in x-api-key' })
    expect(explained.secrets).toEqual(before.secrets)
    expect(explained.configuration).toEqual({ ...before.configuration, instructions: 'send it in x-api-key' })
    expect(driver.mergeSettings(explained, { value: 'new' }).secrets).toEqual({ values: [{ value: 'new' }] })
    expect(() => driver.mergeSettings(before, { surprise: 1 })).toThrow('Unknown field surprise')
  })

  test('a key that has expired already does not pass the check', async () => {
    const settings = driver.parseSettings({ values: [{ value: 'a', expiresAt: now }] })
    await expect(driver.check(settings, access)).rejects.toThrow('The key has expired already')
    const later = driver.parseSettings({ values: [{ value: 'a', expiresAt: now + 1 }] })
    await expect(driver.check(later, access)).resolves.toEqual({ configuration: {} })
  })
})

describe('minting', () => {
  test('hands out the key as it is, says that nobody narrows it and that it knows no end', async () => {
    const serviceUrls = ['https://api.example.com/v1', 'https://api.example.com/v2', 'https://eu.example.com']
    expect(await mint({ value: 'k', serviceUrls })).toEqual({
      outcome: 'minted',
      token: 'k',
      expiresAtMs: null,
      granted: { scopes: [], resources: [], authorizationDetails: [] },
      enforcedBy: 'none',
      origins: ['https://api.example.com', 'https://eu.example.com'],
    })
  })

  test('without service URLs it may be sent nowhere', async () => {
    expect(await mint({ value: 'k' })).toMatchObject({ origins: [] })
  })

  test.each([
    [[], 'key-plain', []],
    [['read'], 'key-read', ['read']],
    [['read', 'write'], 'key-both', ['read', 'write']],
    [['write', 'read', 'read'], 'key-both', ['read', 'write']],
  ])('for the scopes %j picks %s', async (scopes, token, granted) => {
    expect(await mint(scoped, { scopes })).toMatchObject({ token, granted: { scopes: granted } })
  })

  test.each([
    [['write'], 'above_grant'],
    [['Read'], 'above_grant'],
    [['*'], 'above_grant'],
    [['read', 'admin'], 'invalid_request'],
  ])('for the scopes %j, of which no key is, refuses with %s', async (scopes, reason) => {
    expect(await mint(scoped, { scopes })).toMatchObject({ outcome: 'refused', reason })
  })

  test('without scopes takes the only key, and none of several that all have scopes', async () => {
    const [first, second] = scoped.values
    expect(await mint({ values: [first] })).toMatchObject({
      token: 'key-read',
      granted: { scopes: ['read'] },
    })
    expect(await mint({ values: [first, second] })).toMatchObject({ reason: 'invalid_request' })
  })

  test('passes on when a key ends, and refuses it from that moment', async () => {
    expect(await mint({ values: [{ value: 'k', expiresAt: now + 1 }] })).toMatchObject({
      expiresAtMs: now + 1,
    })
    expect(await mint({ values: [{ value: 'k', expiresAt: now }] })).toMatchObject({
      reason: 'provider_refused',
    })
  })

  test('without a stored key says so', async () => {
    const settings = { configuration: { serviceUrls: [] }, secrets: {} }
    expect(await driver.mint(settings, appRequest(), access)).toMatchObject({ reason: 'no_credential' })
  })

  test.each([
    { subject: { type: 'user', id: 'u1' } },
    { resources: ['https://api.example.com'] },
    { audience: ['x'] },
    { installationId: '1' },
    { authorizationDetails: [{ type: 'github_app_installation' }] },
  ] satisfies Partial<MintRequest>[])('refuses %j instead of ignoring it', async (request) => {
    expect(await mint({ value: 'k' }, request)).toMatchObject({ reason: 'invalid_request' })
  })

  test('does not repeat words that could forge a log line', async () => {
    const refusal = await mint({ value: 'k' }, { scopes: ['a\nforged: line'] })
    expect(JSON.stringify(refusal)).not.toContain('forged')
  })
})
