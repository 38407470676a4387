import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { appKeyPem, startGitHub, type TestGitHub } from './support/github.ts'
import { attach } from './support/workspace.ts'

// The development broker with the real driver: its own identities, and an API on loopback.
const clock = createClock()
let broker: TestBroker
let github: TestGitHub
const identities: Record<string, string> = {}

beforeAll(async () => {
  github = await startGitHub(clock)
  broker = await startBroker({ clock, development: true })
  await broker.manage('POST', '/v1/projects', { name: 'agent' })
  for (const environment of ['production', 'development']) {
    const minted = await broker.manage('POST', '/v1/projects/agent/development-identities', { environment })
    identities[environment] = String(minted.token)
  }
})

afterAll(async () => {
  await broker.close()
  await github.close()
})

async function connector(name: string, ceiling: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await broker.manage('POST', '/v1/connect/connectors', {
    service: 'github',
    name,
    data: { appId: 7, privateKeyPem: appKeyPem, apiUrl: github.url },
  })
  await attach(broker, `github/${name}`, 'agent', { environments: ['production', 'development'], ...ceiling })
}

const detail = (fields: Record<string, unknown>) => ({ type: 'github_app_installation', ...fields })

function ask(name: string, request: Record<string, unknown>, environment = 'production'): Promise<Answer> {
  const body = { subject: { type: 'app' }, ...request }
  return broker.ask(`github/${name}`, identities[environment] ?? '', body)
}

describe('S16 ceilings of GitHub', () => {
  beforeAll(async () => {
    await connector('held', {
      authorizationDetails: [
        detail({
          org: 'acme',
          repositories: ['acme/web', 'acme/docs'],
          permissions: ['contents:read', 'issues:write'],
        }),
      ],
    })
    await connector('owner', { authorizationDetails: [detail({ org: 'acme' })] })
    await connector('open')
    await connector('full', { fullAccess: true })
  })

  const above: readonly (readonly [string, Record<string, unknown>])[] = [
    ['another repository', { repositories: ['acme/secret'] }],
    ['one repository more', { repositories: ['acme/web', 'acme/secret'] }],
    ['a repository of another owner', { repositories: ['octocat/web'] }],
    ['another owner', { org: 'octocat' }],
    ['another owner for the same names', { org: 'octocat', repositories: ['web'] }],
    ['a higher level', { permissions: ['contents:write'] }],
    ['another permission', { permissions: ['administration:read'] }],
    ['one permission more', { permissions: ['contents:read', 'secrets:read'] }],
    ['a permission in one text', { permissions: 'administration:write' }],
  ]
  it.each(above)('S16 refuses %s before anything is minted', async (_what, fields) => {
    const before = github.asked.length
    const answer = await ask('held', { authorizationDetails: [detail(fields)] })
    expect(answer).toMatchObject({ status: 403, code: 'above_ceiling' })
    expect(github.asked).toHaveLength(before)
  })

  it('S16 asks GitHub for exactly what is within', async () => {
    const answer = await ask('held', {
      authorizationDetails: [detail({ repositories: ['acme/web'], permissions: ['contents:read'] })],
    })
    expect(answer.status).toBe(200)
    expect(github.asked.at(-1)).toEqual({
      installation: '100',
      body: { repositories: ['web'], permissions: { contents: 'read' } },
    })
  })

  it('S16 asks GitHub for the ceiling where a request leaves it out', async () => {
    expect((await ask('held', {})).status).toBe(200)
    const { installation, body } = github.asked.at(-1) ?? {}
    expect(installation).toBe('100')
    expect(body?.permissions).toEqual({ contents: 'read', issues: 'write' })
    expect(new Set(body?.repositories as string[])).toEqual(new Set(['web', 'docs']))
  })

  it('S16 an installation of another owner than the ceiling names is refused', async () => {
    const before = github.issued.length
    for (const name of ['held', 'owner']) {
      const answer = await ask(name, { installationId: '200' })
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.body.token).toBeUndefined()
    }
    expect(github.issued).toHaveLength(before)
  })

  it.each([
    ['an id with a path', '100/../200'],
    ['an id with a query', '100?x=1'],
    ['a name', 'acme'],
    ['another spelling', '0100'],
    ['an unknown one', '300'],
  ])('S16 an installation that is %s gets nothing', async (_what, installationId) => {
    const before = github.issued.length
    const answer = await ask('held', { installationId })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(github.issued).toHaveLength(before)
  })

  it('S16 in production neither details nor a ceiling is a refusal', async () => {
    const before = github.asked.length
    const everything = [
      {},
      { authorizationDetails: [detail({})] },
      { authorizationDetails: [detail({ org: 'acme' })] },
    ]
    for (const request of everything)
      expect(await ask('open', request)).toMatchObject({ status: 403, code: 'above_ceiling' })
    expect(await ask('owner', {})).toMatchObject({ status: 403, code: 'above_ceiling' })
    expect(github.asked).toHaveLength(before)
  })

  it('S16 in production everything needs an attachment made for it; elsewhere it does not', async () => {
    const whole = { authorizationDetails: [detail({ org: 'acme' })] }
    expect((await ask('full', whole)).status).toBe(200)
    expect((await ask('open', whole, 'development')).status).toBe(200)
  })

  it.each([
    ['no repositories', { repositories: [] }],
    ['no permissions', { permissions: [] }],
    ['a repository without a name', { repositories: ['acme/'] }],
    ['a repository with a path', { repositories: ['acme/web/../secret'] }],
    ['a permission without a level', { permissions: ['contents'] }],
    ['an unknown field', { repos: ['acme/web'] }],
  ])('S16 a detail with %s is an error and not "all"', async (_what, fields) => {
    const before = github.asked.length
    for (const name of ['held', 'open', 'full']) {
      const answer = await ask(name, { authorizationDetails: [detail(fields)] })
      expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
    }
    expect(github.asked).toHaveLength(before)
  })
})
