import { mkdtemp, rm } from 'node:fs/promises'
import http, { type RequestOptions } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient } from '@valetkey/sdk'
import { type FakeFly, type FakePlatform, startGithubActions } from '@valetkey/testing/platforms'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { startServe, type TestBroker } from './support/broker.ts'
import { attach, createConnector } from './support/operator.ts'
import { type Claims, templated } from './support/platform-templates.ts'

const app = { subject: { type: 'app' } } as const

/** What a rule pins on a platform, spelled out. */
const pinned: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  github: {
    sub: 'repo:acme/website:environment:production',
    repository_id: '123456789',
    repository_owner_id: '42',
    environment: 'production',
  },
  gitlab: {
    sub: 'project_path:acme/website:ref_type:branch:ref:main',
    project_id: '20',
    job_project_id: '20',
    environment: 'production',
    ref_protected: 'true',
  },
  fly: { sub: 'acme:website:e2865641be97d8', app_id: '18973298' },
  vercel: { sub: 'owner:acme:project:website:environment:production', environment: 'production' },
  kubernetes: { sub: 'system:serviceaccount:shop:website' },
  'google-cloud': {
    sub: '117234567890123456789',
    email: 'website@acme-shop.iam.gserviceaccount.com',
    email_verified: 'true',
  },
  buildkite: {
    sub: 'organization:acme:pipeline:website:ref:refs/heads/main:commit:4f1c6a0e:step:deploy',
    organization_id: '0190a1b2-0000-4000-8000-000000000002',
    pipeline_id: '0190a1b2-0000-4000-8000-000000000003',
    cluster_id: '0190a1b2-0000-4000-8000-000000000004',
  },
  azure: {
    sub: '0d1e2f30-0000-4000-8000-000000000002',
    tid: '0d1e2f30-0000-4000-8000-000000000001',
    oid: '0d1e2f30-0000-4000-8000-000000000002',
  },
}

const running = new Map<string, FakePlatform>()
let broker: TestBroker
let nodeModules: string

beforeAll(async () => {
  nodeModules = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  broker = await startServe({ VALETKEY_EGRESS_ALLOW: '127.0.0.1' })
  const about = { audience: broker.url, nodeModules }
  await Promise.all(
    Object.entries(templated).map(async ([name, { start }]) => running.set(name, await start(about))),
  )
})
afterAll(async () => {
  await Promise.all([...running.values()].map((platform) => platform.close()))
  await broker.close()
  await rm(nodeModules, { recursive: true, force: true })
})

function platformOf(name: string): FakePlatform {
  const platform = running.get(name)
  if (platform === undefined) throw new Error(`${name} was not started`)
  return platform
}

describe('an app on a platform, and a broker that trusts it', () => {
  beforeAll(async () => {
    const { owner } = broker
    await createConnector(owner, 'api-key', 'weather', { value: 'weather-key' })
    await Promise.all(
      Object.entries(pinned).map(async ([name, claims]) => {
        await owner.call('POST', '/v1/projects', { name })
        const { issuer } = platformOf(name)
        const rule = { environment: 'production', issuer, claims, audience: templated[name]?.audience }
        await owner.call('POST', `/v1/projects/${name}/trust`, rule)
        await attach(owner, 'api-key/weather', name, 'production')
      }),
    )
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  /** A client in the platform's environment. The tests' own may be that of a CI job, which would come first. */
  function clientOn(name: string): { platform: FakePlatform; client: Client } {
    const platform = platformOf(name)
    for (const variable of ['CI', 'GITHUB_ACTIONS', 'GITLAB_CI', 'VERCEL']) vi.stubEnv(variable, undefined)
    for (const [variable, value] of Object.entries(platform.environment)) vi.stubEnv(variable, value)
    const { socketPath } = platform as Partial<FakeFly>
    if (socketPath !== undefined) moveSocket('/.fly/api', socketPath)
    return { platform, client: createClient({ url: broker.url, fetch: platform.fetch }) }
  }

  it.each(Object.keys(pinned))('on %s getToken gives a token for its identity', async (name) => {
    const { client } = clientOn(name)
    expect(await client.getToken('api-key/weather', app)).toBe('weather-key')
  })

  it.each([
    ['github', { environment: 'staging' }],
    ['kubernetes', { sub: 'system:serviceaccount:shop:other' }],
    ['google-cloud', { sub: '117234567890123456780' }],
  ])('on %s another workload of the same issuer is refused', async (name, claims) => {
    const { client, platform } = clientOn(name)
    const identityToken = platform.identity(broker.url, claims)
    await expect(client.getToken('api-key/weather', app, { identityToken })).rejects.toMatchObject({
      code: 'identity_invalid',
    })
  })

  it('S12 a token that names a trusted issuer and was signed by another is refused', async () => {
    const { client, platform } = clientOn('github')
    const other = await startGithubActions()
    const identityToken = other.identity(broker.url, { iss: platform.issuer })
    await expect(client.getToken('api-key/weather', app, { identityToken })).rejects.toMatchObject({
      code: 'identity_invalid',
    })
    await other.close()
  })
})

describe('a rule that a platform’s template makes', () => {
  it('is tried for every template', async () => {
    const body = { environment: 'production', template: { platform: 'none' } }
    const { status, body: answer } = await broker.owner.ask('POST', '/v1/projects/github/trust', body)
    expect(status).toBe(400)
    const names = answer.error.message.replace('template.platform: one of ', '').split(', ')
    expect(names.sort()).toEqual(Object.keys(templated).sort())
  })

  it.each(Object.entries(templated))('for %s admits its tokens, and those alone', async (name, known) => {
    const { owner, url } = broker
    const claims = claimsOf(platformOf(name).identity(known.audience ?? url))
    await owner.call('POST', '/v1/projects', { name: `by-template-${name}` })
    const project = `/v1/projects/by-template-${name}`
    const template = { platform: name, ...known.fields(claims) }
    const rule = await owner.call<{ issuer: string; claims: Record<string, readonly string[]> }>(
      'POST',
      `${project}/trust`,
      { environment: 'production', template },
    )
    // The fake's issuer is on loopback: all but its host is the platform's.
    expect(pathOf(rule.issuer)).toBe(pathOf(String(claims.iss)))
    const token = { ...claims, iss: rule.issuer }
    const explain = (claims: Claims) => owner.call('POST', `${project}/explain`, { claims })
    expect(await explain(token)).toMatchObject({ allowed: true, environment: 'production' })
    const without = Object.keys(rule.claims).map((claim) => ({ [topLevel(claim)]: undefined }))
    for (const change of [{ iss: claims.iss }, { aud: 'somebody-else' }, ...without])
      expect(await explain({ ...token, ...change }), JSON.stringify(change)).toMatchObject({ allowed: false })
  })
})

describe('a rule spelled out, where no template is for a platform’s tokens', () => {
  const tenant = '0d1e2f30-0000-4000-8000-000000000001'
  const caller = '0d1e2f30-0000-4000-8000-000000000002'
  const audience = 'api://0d1e2f30-0000-4000-8000-000000000003'
  const version1 = {
    issuer: `https://sts.windows.net/${tenant}/`,
    claims: { tid: tenant, oid: caller },
    audience,
  }
  const depot = {
    issuer: 'https://identity.depot.dev',
    claims: { org_id: 'org-1', repository_id: '74', environment: 'production' },
    refuse: { event_name: 'pull_request_target' },
  }

  it.each([
    ['azure-version-1', version1, { aud: audience.slice('api://'.length) }],
    ['depot', depot, { event_name: 'pull_request_target' }],
  ])('admits those of %s, and not all', async (name, rule, other) => {
    const { owner, url } = broker
    await owner.call('POST', '/v1/projects', { name })
    await owner.call('POST', `/v1/projects/${name}/trust`, { environment: 'production', ...rule })
    const token = { iss: rule.issuer, aud: url, sub: 'x', event_name: 'push', ...rule.claims }
    const own = 'audience' in rule ? { ...token, aud: rule.audience } : token
    for (const [claims, allowed] of [
      [own, true],
      [{ ...own, ...other }, false],
    ])
      expect(await owner.call('POST', `/v1/projects/${name}/explain`, { claims })).toMatchObject({ allowed })
  })
})

function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

function pathOf(url: string): string {
  return new URL(url).pathname
}

/** The name of a claim, or the first of a JSON Pointer's. */
function topLevel(claim: string): string {
  return claim.startsWith('/') ? (claim.split('/')[1] ?? '') : claim
}

/** Leads the path that Fly.io has its socket at to the fake's. */
function moveSocket(from: string, to: string): void {
  const { request } = http
  vi.spyOn(http, 'request').mockImplementation(((options: RequestOptions, onAnswer: () => void) =>
    request(options.socketPath === from ? { ...options, socketPath: to } : options, onAnswer)) as never)
}
