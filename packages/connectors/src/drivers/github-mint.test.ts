import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ConnectorSettings, type JsonObject, type MintRequest, ProviderFault } from '../driver.ts'
import {
  expiresAt,
  type FakeGitHub,
  fakeGitHub,
  granting,
  issuedToken,
  now,
  privateKeyPem,
} from '../test-github.ts'
import { accessAt, appRequest, type FakeAnswer } from '../test-server.ts'
import { githubDriver as driver } from './github.ts'

const access = accessAt(now)
let github: FakeGitHub
let settings: ConnectorSettings

beforeEach(async () => {
  github = await fakeGitHub()
  settings = driver.parseSettings({ appId: 12345, privateKeyPem, apiUrl: `${github.url}/api/v3` })
})

afterEach(() => github.close())

function mint(detail?: JsonObject, request: Partial<MintRequest> = {}) {
  const authorizationDetails = detail ? [{ type: 'github_app_installation', ...detail }] : []
  return driver.mint(settings, appRequest({ authorizationDetails, ...request }), access)
}

const createToken = 'POST /app/installations/100/access_tokens'

describe('the installation', () => {
  test('is that of the owner of the repositories', async () => {
    expect(await mint({ repositories: 'ACME/Site' })).toMatchObject({
      installationId: '100',
      tenantId: '1000',
      name: 'acme',
    })
    expect(github.calls()).toEqual(['GET /users/acme/installation', createToken])
  })

  test('is looked up as an organization too, where the first path knows users only', async () => {
    github.overrides['GET /users/acme/installation'] = { status: 404 }
    expect(await mint({ org: 'acme' })).toMatchObject({ outcome: 'minted' })
    expect(github.calls()).toEqual([
      'GET /users/acme/installation',
      'GET /orgs/acme/installation',
      createToken,
    ])
  })

  test('is required on the owner that was named', async () => {
    expect(await mint({ org: 'acme-x' })).toMatchObject({
      reason: 'installation_required',
      message: 'The app is not installed on the GitHub account acme-x: its owner must install it',
    })
  })

  test('of another account than the one asked for is not used', async () => {
    github.overrides['GET /users/acme/installation'] = {
      json: { id: 200, account: { login: 'octocat', id: 2 } },
    }
    expect(await mint({ org: 'acme' })).toMatchObject({ reason: 'installation_required' })
    expect(github.asked()).toBeUndefined()
  })

  test('can be named by id, alone or together with its owner', async () => {
    expect(await mint(undefined, { installationId: '200' })).toMatchObject({
      installationId: '200',
      granted: { authorizationDetails: [{ org: 'octocat' }] },
    })
    expect(await mint({ org: 'OctoCat' }, { installationId: '200' })).toMatchObject({ installationId: '200' })
  })

  test('named by id must be on the owner that was named', async () => {
    for (const detail of [{ org: 'acme' }, { repositories: 'acme/site' }])
      expect(await mint(detail, { installationId: '200' })).toMatchObject({ reason: 'invalid_request' })
    expect(github.asked()).toBeUndefined()
  })

  test.each(['', '0', '1/../2', '100/access_tokens', '1e2', ' 100', '-1', '٣'])(
    'named by %j, which is no number, never reaches a URL',
    async (installationId) => {
      expect(await mint(undefined, { installationId })).toMatchObject({ reason: 'invalid_request' })
      expect(github.seen).toEqual([])
    },
  )

  test('that is gone is required again', async () => {
    expect(await mint(undefined, { installationId: '300' })).toMatchObject({
      reason: 'installation_required',
    })
    github.overrides[createToken] = { status: 404 }
    expect(await mint({ org: 'acme' })).toMatchObject({ reason: 'installation_required' })
  })

  test('is the only one, when nothing names one', async () => {
    github.installations = [{ id: 100, login: 'acme' }]
    expect(await mint()).toMatchObject({ outcome: 'minted', installationId: '100' })
  })

  test('is never picked from several, and the refusal tells their number but no name', async () => {
    const refusal = await mint()
    expect(refusal).toMatchObject({
      reason: 'installation_required',
      message: 'The app has 2 installations: name one by org in authorizationDetails, or by installationId',
    })
    expect(github.asked()).toBeUndefined()
  })

  test('is never the first of a full page', async () => {
    github.installations = Array.from({ length: 100 }, (_, index) => ({ id: index + 1, login: `a${index}` }))
    expect(await mint()).toMatchObject({ message: expect.stringContaining('100 or more installations') })
  })

  test('is required where there is none', async () => {
    github.installations = []
    expect(await mint()).toMatchObject({ reason: 'installation_required' })
  })

  test('that is suspended is refused by GitHub, not missing', async () => {
    github.installations = [{ id: 100, login: 'acme', suspended: true }]
    for (const refusal of [
      await mint(),
      await mint({ org: 'acme' }),
      await mint({}, { installationId: '100' }),
    ])
      expect(refusal).toMatchObject({
        reason: 'provider_refused',
        message: expect.stringContaining('suspended'),
      })
  })
})

describe('minting', () => {
  test('asks GitHub for exactly the repositories and permissions, and tells what it granted', async () => {
    const detail = {
      org: 'Acme',
      repositories: ['site', 'Acme/Api'],
      permissions: ['issues:read', 'contents:write', 'issues:write'],
    }
    expect(await mint(detail)).toEqual({
      outcome: 'minted',
      token: issuedToken,
      expiresAtMs: Date.parse(expiresAt),
      granted: {
        scopes: [],
        resources: [],
        authorizationDetails: [
          {
            type: 'github_app_installation',
            org: 'acme',
            repositories: ['acme/api', 'acme/site'],
            permissions: ['contents:write', 'issues:write', 'metadata:read'],
          },
        ],
      },
      enforcedBy: 'provider',
      origins: [github.url],
      installationId: '100',
      tenantId: '1000',
      name: 'acme',
    })
    expect(github.asked()).toEqual({
      repositories: ['api', 'site'],
      permissions: { contents: 'write', issues: 'write' },
    })
  })

  test('asked for everything, tells what everything is', async () => {
    expect(await mint({ org: 'acme' })).toMatchObject({
      granted: {
        authorizationDetails: [
          {
            type: 'github_app_installation',
            org: 'acme',
            permissions: ['contents:write', 'issues:write', 'metadata:read'],
          },
        ],
      },
    })
    expect(github.asked()).toEqual({})
  })

  test('tells the repositories of an installation on selected ones', async () => {
    github.overrides[createToken] = granting({
      permissions: { contents: 'write' },
      repository_selection: 'selected',
      repositories: [{ full_name: 'Acme/Z' }, { full_name: 'Acme/A' }],
    })
    expect(await mint({ org: 'acme' })).toMatchObject({
      granted: { authorizationDetails: [{ repositories: ['acme/a', 'acme/z'] }] },
    })
  })

  test('is refused for several details, which GitHub would cross into more than their sum', async () => {
    const type = 'github_app_installation'
    const details = [
      { type, repositories: 'acme/a', permissions: 'contents:read' },
      { type, repositories: 'acme/b', permissions: 'contents:write' },
    ]
    expect(await mint(undefined, { authorizationDetails: details })).toMatchObject({
      reason: 'invalid_request',
    })
    expect(github.seen).toEqual([])
  })

  test('takes the same detail twice as once', async () => {
    const type = 'github_app_installation'
    const details = [
      { type, repositories: 'acme/a' },
      { repositories: ['ACME/A', 'a'], org: 'Acme', type },
    ]
    expect(await mint(undefined, { authorizationDetails: details })).toMatchObject({ outcome: 'minted' })
  })

  test.each([
    { subject: { type: 'token', token: 't' } },
    { scopes: ['repo'] },
    { resources: ['https://api.github.com'] },
    { audience: ['x'] },
    { authorizationDetails: [{ type: 'other' }] },
    { authorizationDetails: [{ type: 'github_app_installation', repositories: [] }] },
    { authorizationDetails: [{ type: 'github_app_installation', repositories: 'acme/..' }] },
  ] satisfies Partial<MintRequest>[])('refuses %j before anything is sent', async (request) => {
    expect(await mint(undefined, request)).toMatchObject({ outcome: 'refused', reason: 'invalid_request' })
    expect(github.seen).toEqual([])
  })

  test('without a stored key says so', async () => {
    settings = { ...settings, secrets: {} }
    expect(await mint({ org: 'acme' })).toMatchObject({ reason: 'no_credential' })
  })

  test('is refused when GitHub does not take the key', async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    settings = {
      ...settings,
      secrets: { privateKeyPem: other.export({ type: 'pkcs8', format: 'pem' }).toString() },
    }
    expect(await mint({ org: 'acme' })).toMatchObject({ reason: 'provider_refused' })
    expect(await mint()).toMatchObject({ reason: 'provider_refused' })
  })

  test.each([
    ['The permissions requested are not granted to this installation.', 'permissions contents:write'],
    ['There is at least one repository that does not exist or is not accessible.', 'repositories acme/a'],
    ['Something else with ghs_secret', 'what was asked for'],
  ])('above what GitHub granted the app says which part: %s', async (message, part) => {
    github.overrides[createToken] = { status: 422, json: { message } }
    const refusal = await mint({ repositories: 'acme/a', permissions: 'contents:write' })
    expect(refusal).toMatchObject({ reason: 'above_grant', message: expect.stringContaining(part) })
    expect(JSON.stringify(refusal)).not.toContain('ghs_secret')
  })

  test('a 403 is a refusal, unless its headers tell of a rate limit', async () => {
    github.overrides[createToken] = { status: 403 }
    expect(await mint({ org: 'acme' })).toMatchObject({ reason: 'provider_refused' })
    for (const headers of [{ 'x-ratelimit-remaining': '0' }, { 'retry-after': '60' }]) {
      github.overrides[createToken] = { status: 403, headers }
      await expect(mint({ org: 'acme' })).rejects.toThrow(ProviderFault)
    }
  })

  test.each([
    { status: 500 },
    { status: 429 },
    { status: 302, headers: { location: 'http://169.254.169.254/' } },
    { status: 201 },
    { status: 201, json: { token: '', expires_at: expiresAt } },
    { status: 201, json: { token: 'ghs_secret', expires_at: 'soon' } },
    { status: 201, json: { token: 'ghs_secret', expires_at: '2026-11-21T11:59:59Z' } },
  ] satisfies FakeAnswer[])('a fault or nonsense is a fault that repeats nothing: %j', async (answer) => {
    github.overrides[createToken] = answer
    const fault = await mint({ org: 'acme' }).catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(ProviderFault)
    expect(String(fault)).not.toContain('ghs_secret')
  })
})

describe('a token wider than asked', () => {
  const narrow = { repositories: ['acme/a', 'acme/b'], permissions: ['contents:read'] }
  const selected = { repository_selection: 'selected', repositories: [{ full_name: 'acme/a' }] }
  const permissions = { contents: 'read', metadata: 'read' }

  test.each([
    ['every repository', { permissions, repository_selection: 'all' }],
    ['every repository, with a list', { permissions, ...selected, repository_selection: 'all' }],
    ['silence about repositories', { permissions, repository_selection: 'selected' }],
    ['silence about the selection', { permissions, repositories: selected.repositories }],
    [
      'another repository',
      { permissions, ...selected, repositories: [{ full_name: 'acme/a' }, { full_name: 'acme/c' }] },
    ],
    [
      'a repository of another owner',
      { permissions, ...selected, repositories: [{ full_name: 'acme-x/a' }] },
    ],
    ['silence about permissions', selected],
    ['a higher level', { ...selected, permissions: { contents: 'write' } }],
    ['another permission', { ...selected, permissions: { contents: 'read', issues: 'read' } }],
    ['an unknown level', { ...selected, permissions: { contents: 'own' } }],
    [
      'more of the metadata than GitHub adds',
      { ...selected, permissions: { contents: 'read', metadata: 'write' } },
    ],
  ])('is ended and never handed out: %s', async (_title, what) => {
    github.overrides[createToken] = granting(what)
    await expect(mint(narrow)).rejects.toThrow(/than was asked for; the token was ended at once$/)
    expect(github.calls().at(-1)).toBe('DELETE /installation/token')
    expect(github.seen.at(-1)?.headers.authorization).toBe(`Bearer ${issuedToken}`)
  })

  test('is not handed out either when it can not be ended, and the fault says so', async () => {
    github.overrides[createToken] = granting({ permissions, repository_selection: 'all' })
    github.overrides['DELETE /installation/token'] = { status: 500 }
    await expect(mint(narrow)).rejects.toThrow(/could not be ended/)
  })

  test('is not what a token with fewer repositories is: that one tells the truth', async () => {
    github.overrides[createToken] = granting({ permissions, ...selected })
    expect(await mint(narrow)).toMatchObject({
      granted: { authorizationDetails: [{ repositories: ['acme/a'] }] },
    })
  })
})
