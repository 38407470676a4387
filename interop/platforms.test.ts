import http, { type RequestOptions } from 'node:http'
import { type Client, createClient } from '@valetkey/sdk'
import {
  type FakeFly,
  type FakePlatform,
  startFly,
  startGithubActions,
  startGitlab,
  startGoogleCloud,
  startKubernetes,
  startVercel,
} from '@valetkey/testing/platforms'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { startServe, type TestBroker } from './support/broker.ts'
import { attach, createConnector } from './support/operator.ts'

const app = { subject: { type: 'app' } } as const

/** A platform, and the claims that a rule pins on it. */
interface Known {
  readonly start: (audience: string) => Promise<FakePlatform>
  readonly claims: Readonly<Record<string, string>>
}

const platforms: Readonly<Record<string, Known>> = {
  'github-actions': {
    start: () => startGithubActions(),
    claims: {
      sub: 'repo:acme/website:environment:production',
      repository_id: '123456789',
      repository_owner_id: '42',
      environment: 'production',
    },
  },
  gitlab: {
    start: (audience) => startGitlab({ audience }),
    claims: {
      sub: 'project_path:acme/website:ref_type:branch:ref:main',
      project_id: '20',
      job_project_id: '20',
      environment: 'production',
      ref_protected: 'true',
    },
  },
  fly: { start: () => startFly(), claims: { sub: 'acme:website:e2865641be97d8', app_id: '18973298' } },
  vercel: {
    start: () => startVercel(),
    claims: { sub: 'owner:acme:project:website:environment:production', environment: 'production' },
  },
  kubernetes: {
    start: (audience) => startKubernetes({ audience }),
    claims: { sub: 'system:serviceaccount:shop:website' },
  },
  'google-cloud': { start: () => startGoogleCloud(), claims: { sub: '117234567890123456789' } },
}

describe('an app on a platform, and a broker that trusts it', () => {
  const running = new Map<string, FakePlatform>()
  let broker: TestBroker

  beforeAll(async () => {
    broker = await startServe({ VALETKEY_EGRESS_ALLOW: '127.0.0.1' })
    const { owner, url } = broker
    await createConnector(owner, 'api-key', 'weather', { value: 'weather-key' })
    await Promise.all(
      Object.entries(platforms).map(async ([name, { start, claims }]) => {
        const platform = await start(url)
        running.set(name, platform)
        await owner.call('POST', '/v1/projects', { name })
        const rule = { environment: 'production', issuer: platform.issuer, claims }
        await owner.call('POST', `/v1/projects/${name}/trust`, rule)
        await attach(owner, 'api-key/weather', name, 'production')
      }),
    )
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })
  afterAll(async () => {
    await Promise.all([...running.values()].map((platform) => platform.close()))
    await broker.close()
  })

  /** A client in the platform's environment. The tests' own may be that of a CI job, which would come first. */
  function clientOn(name: string): { platform: FakePlatform; client: Client } {
    const platform = running.get(name)
    if (platform === undefined) throw new Error(`${name} was not started`)
    for (const variable of ['CI', 'GITHUB_ACTIONS', 'GITLAB_CI', 'VERCEL']) vi.stubEnv(variable, undefined)
    for (const [variable, value] of Object.entries(platform.environment)) vi.stubEnv(variable, value)
    const { socketPath } = platform as Partial<FakeFly>
    if (socketPath !== undefined) moveSocket('/.fly/api', socketPath)
    return { platform, client: createClient({ url: broker.url, fetch: platform.fetch }) }
  }

  it.each(Object.keys(platforms))('on %s getToken gives a token for its identity', async (name) => {
    const { client } = clientOn(name)
    expect(await client.getToken('api-key/weather', app)).toBe('weather-key')
  })

  it.each([
    ['github-actions', { environment: 'staging' }],
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
    const { client, platform } = clientOn('github-actions')
    const other = await startGithubActions()
    const identityToken = other.identity(broker.url, { iss: platform.issuer })
    await expect(client.getToken('api-key/weather', app, { identityToken })).rejects.toMatchObject({
      code: 'identity_invalid',
    })
    await other.close()
  })
})

/** Leads the path that Fly.io has its socket at to the fake's. */
function moveSocket(from: string, to: string): void {
  const { request } = http
  vi.spyOn(http, 'request').mockImplementation(((options: RequestOptions, onAnswer: () => void) =>
    request(options.socketPath === from ? { ...options, socketPath: to } : options, onAnswer)) as never)
}
