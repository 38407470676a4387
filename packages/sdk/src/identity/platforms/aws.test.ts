import { type FakePlatform, startAws } from '@valetkey/testing/platforms'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { brokerUrl, errorOf } from '../../test-support/fakes.ts'
import { workloadOn } from '../test-support/workload.ts'

describe('on AWS', () => {
  let platform: FakePlatform
  beforeAll(async () => {
    platform = await startAws()
  })
  beforeEach(() => {
    // AWS's own SDK reads the process's environment.
    for (const [name, value] of Object.entries(platform.environment)) vi.stubEnv(name, value)
  })
  afterEach(() => {
    platform.misbehave()
    vi.unstubAllEnvs()
  })
  afterAll(() => platform.close())

  it('an identity of the role is asked for the issuing point, for five minutes', async () => {
    const { call, identities } = workloadOn(platform)
    await call()
    const nowSeconds = Date.now() / 1000
    expect(identities()).toMatchObject([
      { audiences: [brokerUrl], subject: 'arn:aws:iam::123456789012:role/website' },
    ])
    const [claims] = identities()
    expect((claims?.expiresAtSeconds ?? 0) - nowSeconds).toBeGreaterThan(200)
  })

  it('is not asked unless VALETKEY_IDENTITY names it', async () => {
    const { call, sent, variables } = workloadOn(platform)
    delete variables.VALETKEY_IDENTITY
    const before = platform.asked()
    await call()
    expect(platform.asked()).toBe(before)
    expect(sent[0]?.headers.get('authorization')).toBe('Bearer the-access-token')
  })

  it('a refusal is passed on by its name alone', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAANOTHERANOTHER00')
    const { call, sent } = workloadOn(platform)
    expect((await errorOf(call())).message).toContain(
      'AWS gave no identity: STS GetWebIdentityToken failed (AccessDenied)',
    )
    expect(sent).toEqual([])
  })

  it('STS that is busy for ever keeps no call longer than its timeout', async () => {
    platform.misbehave('rate-limited')
    const { call, sent } = workloadOn(platform, { timeoutMs: 300 })
    const startedAtMs = performance.now()
    expect(['timeout', 'identity_unavailable']).toContain((await errorOf(call())).code)
    expect(performance.now() - startedAtMs).toBeLessThan(1_500)
    expect(sent).toEqual([])
  })
})
