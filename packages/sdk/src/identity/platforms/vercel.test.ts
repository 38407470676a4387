import { type FakeVercel, startVercel } from '@valetkey/testing/platforms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { brokerUrl, errorOf } from '../../test-support/fakes.ts'
import { workloadOn } from '../test-support/workload.ts'

const ownAudience = 'https://vercel.com/acme'

describe('on Vercel', () => {
  let platform: FakeVercel
  beforeAll(async () => {
    platform = await startVercel()
  })
  afterAll(() => platform.close())

  it('each request’s own token is exchanged, and requests share nothing', async () => {
    const { call, identities, variables } = workloadOn(platform)
    delete variables.VERCEL_OIDC_TOKEN
    const before = platform.asked()
    const tokens = ['one', 'two'].map((request) => platform.identity(ownAudience, { request }))
    await Promise.all(tokens.map((token) => platform.duringRequest(() => call(), token)))
    await platform.duringRequest(() => call(), tokens[0])
    expect(platform.asked() - before).toBe(2)
    expect(identities().map((claims) => claims?.audiences)).toEqual([[brokerUrl], [brokerUrl]])
  })

  it('a token that was not there before the request is found during it', async () => {
    const { call, variables } = workloadOn(platform)
    delete variables.VERCEL_OIDC_TOKEN
    expect((await errorOf(call())).message).toContain('while a request is being served')
    expect(await platform.duringRequest(() => call())).toBe('provider-token')
  })

  it('S14 an old token goes nowhere, and the message says what to run', async () => {
    const exp = Math.floor(Date.now() / 1000) - 1
    const before = platform.asked()
    const VERCEL_OIDC_TOKEN = platform.identity(ownAudience, { exp })
    const { call, sent } = workloadOn(platform, { variables: { VERCEL_OIDC_TOKEN } })
    expect((await errorOf(call())).message).toContain('vercel env pull')
    expect([platform.asked() - before, sent]).toEqual([0, []])
  })
})
