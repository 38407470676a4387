import {
  startGithubActions,
  startKubernetes,
  startModal,
  startSemaphore,
  startSpacelift,
} from '@valetkey/testing/platforms'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ClientConfig } from '../client/create-context.ts'
import { brokerUrl, countingFetch, errorOf, inAnHourSeconds, jwt } from '../test-support/fakes.ts'
import { type IdentityReport, reportIdentity } from './report-identity.ts'
import { identitySources } from './sources.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A report in an environment that holds these variables and none that a source looks at. */
async function reportIn(
  variables: Readonly<Record<string, string>>,
  config: ClientConfig = {},
  options?: Parameters<typeof reportIdentity>[1],
): Promise<IdentityReport> {
  const names = identitySources.flatMap(({ reads, shownBy }) => [...reads, ...shownBy])
  for (const name of names) vi.stubEnv(name, undefined)
  vi.stubEnv('VALETKEY_URL', brokerUrl)
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
  const report = await reportIdentity(config, options)
  expect(JSON.stringify(report)).not.toMatch(/eyJ[\w-]+\.|secret/)
  return report
}

const outcomesOf = ({ sources }: IdentityReport): Record<string, string> =>
  Object.fromEntries(sources.map(({ name, outcome }) => [name, outcome]))
const reasonOf = ({ sources }: IdentityReport, source: string): string | undefined =>
  sources.find(({ name }) => name === source)?.reason
const valid = { aud: brokerUrl, exp: inAnHourSeconds, iss: 'https://issuer.example', sub: 'workload-1' }

const broken =
  'GitHub Actions gave no identity: it answered 403. To use another source here, name it in VALETKEY_IDENTITY'

describe('the report of an identity', () => {
  it('says which source is used, why those before it were not, and that none after it was asked', async () => {
    const platform = await startGithubActions()
    const report = await reportIn({ ...platform.environment, VALETKEY_ACCESS_TOKEN: 'secret' })
    expect(platform.asked()).toBe(1)
    await platform.close()
    expect(report).toMatchObject({
      issuingPoint: brokerUrl,
      source: 'github-actions',
      claims: {
        iss: platform.issuer,
        sub: 'repo:acme/website:environment:production',
        aud: [brokerUrl],
        exp: expect.any(Number),
      },
    })
    expect(report).not.toHaveProperty('error')
    expect(report).not.toHaveProperty('weakness')
    expect(report.sources.map(({ name }) => name)).toEqual(identitySources.map(({ name }) => name))
    const outcomes = outcomesOf(report)
    expect(outcomes).toMatchObject({
      'id-token': 'declined',
      'id-token-file': 'declined',
      'github-actions': 'used',
      gitlab: 'not_asked',
      'access-token': 'not_asked',
    })
    expect(reasonOf(report, 'id-token')).toBe('VALETKEY_ID_TOKEN is not set')
    expect(reasonOf(report, 'github-actions')).toBe('GITHUB_ACTIONS is set')
    expect(reasonOf(report, 'access-token')).toBe('github-actions comes first')
  })

  it('sends nothing to the issuing point', async () => {
    const fetch = countingFetch()
    const report = await reportIn({ VALETKEY_ID_TOKEN: jwt(valid) }, { fetch })
    expect(report).toMatchObject({ source: 'id-token', claims: { iss: valid.iss, sub: valid.sub } })
    expect(fetch.seen).toEqual([])
  })

  it('says that a matching source is broken, why, and that no other was asked instead', async () => {
    const platform = await startGithubActions()
    platform.misbehave('refuses')
    const report = await reportIn({ ...platform.environment, VALETKEY_ACCESS_TOKEN: 'secret' })
    await platform.close()
    expect(report.error).toEqual({
      code: 'identity_unavailable',
      message: broken,
    })
    expect(report).not.toHaveProperty('source')
    expect(report).not.toHaveProperty('claims')
    expect(outcomesOf(report)).toMatchObject({ 'github-actions': 'broken', 'access-token': 'not_asked' })
    expect(reasonOf(report, 'github-actions')).toBe(broken)
  })

  it('says so of a platform that does not answer in time', async () => {
    const platform = await startGithubActions()
    platform.misbehave('hang')
    const report = await reportIn(platform.environment, {}, { timeoutMs: 200 })
    await platform.close()
    expect(report.error?.code).toBe('timeout')
    expect(outcomesOf(report)).toMatchObject({ 'github-actions': 'broken' })
  })

  it('says so of an expired identity and of one for somebody else', async () => {
    const expired = await reportIn({ VALETKEY_ID_TOKEN: jwt({ ...valid, exp: 1 }) })
    expect(outcomesOf(expired)).toMatchObject({ 'id-token': 'broken', 'id-token-file': 'not_asked' })
    expect(expired.error?.message).toContain('valetkey env pull')
    const foreign = await reportIn({ VALETKEY_ID_TOKEN: jwt({ ...valid, aud: 'sts.amazonaws.com' }) })
    expect(foreign.error?.message).toContain('another audience')
  })

  it('says why every source declined where there is none, and what is there for somebody else', async () => {
    const report = await reportIn({
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      AWS_WEB_IDENTITY_TOKEN_FILE: '/secret',
      AZURE_FEDERATED_TOKEN_FILE: '/secret',
      SPIFFE_ENDPOINT_SOCKET: 'unix:///secret',
      SEMAPHORE_OIDC_TOKEN: 'secret',
    })
    expect(report.error?.code).toBe('identity_unavailable')
    expect(new Set(Object.values(outcomesOf(report)))).toEqual(new Set(['declined']))
    expect(reasonOf(report, 'kubernetes')).toContain('project one for the issuing point')
    expect(reasonOf(report, 'aws')).toContain('is never sent')
    expect(reasonOf(report, 'azure')).toContain('is never sent')
    expect(reasonOf(report, 'spiffe')).toContain('the Workload API is not asked')
    expect(reasonOf(report, 'semaphore')).toBe('only when VALETKEY_IDENTITY names it')
  })

  it('says what VALETKEY_IDENTITY does to the others', async () => {
    const platform = await startKubernetes({ audience: brokerUrl })
    const variables = {
      ...platform.environment,
      VALETKEY_ID_TOKEN: jwt(valid),
      VALETKEY_IDENTITY: 'kubernetes',
    }
    const report = await reportIn(variables)
    await platform.close()
    expect(report.source).toBe('kubernetes')
    expect(reasonOf(report, 'kubernetes')).toBe('VALETKEY_IDENTITY names it')
    expect(reasonOf(report, 'id-token')).toBe('VALETKEY_IDENTITY asks for kubernetes')
    const unknown = await reportIn({ ...variables, VALETKEY_IDENTITY: 'a-secret' })
    expect(unknown.error?.message).toContain('names no identity source')
    expect(reasonOf(unknown, 'id-token')).toBe('VALETKEY_IDENTITY asks for another')
  })

  it.each([
    ['semaphore', startSemaphore],
    ['spacelift', startSpacelift],
    ['modal', startModal],
  ])('says what the holder of a %s token could do with it elsewhere', async (source, start) => {
    const platform = await start()
    const report = await reportIn(platform.environment)
    await platform.close()
    expect(report.source).toBe(source)
    expect(report.weakness).toContain('whoever receives it can use it')
  })

  it('of one that was given has no sources', async () => {
    const report = await reportIn({ GITHUB_ACTIONS: 'true' }, { identity: () => jwt(valid) })
    expect(report).toMatchObject({
      source: 'the identity option',
      claims: { sub: 'workload-1' },
      sources: [],
    })
    const thrown = await reportIn({}, {}, { identityToken: jwt({ ...valid, exp: 1 }) })
    expect(thrown).toMatchObject({ error: { code: 'identity_unavailable' }, sources: [] })
  })

  it('of an access token has no claims: it says nothing by itself', async () => {
    const report = await reportIn({ VALETKEY_ACCESS_TOKEN: 'vk_secret' })
    expect(report.source).toBe('access-token')
    expect(report).not.toHaveProperty('claims')
  })

  it('says what there would be where no issuing point is named, and throws only what is wrong with the call', async () => {
    await reportIn({})
    vi.stubEnv('VALETKEY_URL', undefined)
    vi.stubEnv('VERCEL', undefined)
    const report = await reportIdentity()
    expect(report.error?.code).toBe('issuing_point_missing')
    expect(report).not.toHaveProperty('issuingPoint')
    expect(report.sources.map(({ name }) => name)).toEqual(identitySources.map(({ name }) => name))
    expect((await errorOf(reportIdentity({}, { timeoutMs: -1 }))).code).toBe('invalid_request')
  })
})
