import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Workload } from '../authenticate/caller.ts'
import { addressKey } from './address-key.ts'
import { createRateLimits, type RateOutcome } from './rate-limits.ts'
import { createWindowLimit } from './window-limit.ts'

// The library reads the clock itself.
beforeEach(() => void vi.useFakeTimers({ now: 1_795_292_400_000 }))
afterEach(() => void vi.useRealTimers())

const workload = (subject: string, projectId = 'prj_1'): Workload => ({
  kind: 'workload',
  projectId,
  projectName: 'shop',
  environment: 'production',
  proof: { type: 'identity', issuer: 'https://issuer.test', subject, ruleId: 'trr_1' },
})
const withToken = (accessTokenId: string): Workload => ({
  ...workload(''),
  proof: { type: 'access-token', accessTokenId },
})

async function repeat(times: number, attempt: () => Promise<RateOutcome>): Promise<readonly RateOutcome[]> {
  const outcomes: RateOutcome[] = []
  for (let n = 0; n < times; n += 1) outcomes.push(await attempt())
  return outcomes
}
const passed = (outcomes: readonly RateOutcome[]) => outcomes.filter((outcome) => outcome.ok).length
const limited = (retryAfterSeconds: number, record: 'event' | 'count') => ({
  ok: false,
  refusal: { reason: 'rate_limited', retryAfterSeconds },
  record,
})

describe('rate limits', () => {
  it('let 700 token requests a second of one caller pass for a minute', async () => {
    const limits = createRateLimits()
    const caller = workload('repo:a/b')
    for (let second = 0; second < 60; second += 1) {
      expect(passed(await repeat(700, () => limits.tokenRequest(caller)))).toBe(700)
      vi.advanceTimersByTime(1000)
    }
  })

  it('have the documented defaults', async () => {
    const limits = createRateLimits()
    expect(passed(await repeat(120_001, () => limits.tokenRequest(workload('a'))))).toBe(120_000)
    expect(passed(await repeat(120_001, () => limits.tokenRequest(workload('b'))))).toBe(120_000)
    expect(passed(await repeat(1, () => limits.tokenRequest(workload('c'))))).toBe(0)
    expect(passed(await repeat(121, () => limits.consentStart(workload('a'))))).toBe(120)
    expect(passed(await repeat(121, () => limits.signInStart('192.0.2.1')))).toBe(120)
    expect(passed(await repeat(11, () => limits.deviceEntry('192.0.2.1')))).toBe(10)
    expect(passed(await repeat(6_001, () => limits.call(workload('a'))))).toBe(6_000)
    const refused: string[] = []
    for (let n = 0; n < 61; n += 1) refused.push(await limits.refusedCall(workload('a')))
    expect(refused).toEqual([...Array(60).fill('event'), 'count'])
    await Promise.all(Array.from({ length: 9_999 }, () => limits.wrongDeviceEntry()))
    expect((await limits.deviceEntry('192.0.2.2')).ok).toBe(true)
    await limits.wrongDeviceEntry()
    expect((await limits.deviceEntry('192.0.2.3')).ok).toBe(false)
  })

  it('say when to come back, in whole seconds from 1, and let the caller in then', async () => {
    const limits = createRateLimits({ tokenRequestsPerCaller: 1 })
    const caller = workload('a')
    await limits.tokenRequest(caller)
    vi.advanceTimersByTime(10_500)
    expect(await limits.tokenRequest(caller)).toEqual(limited(50, 'event'))
    vi.advanceTimersByTime(49_499)
    expect(await limits.tokenRequest(caller)).toEqual(limited(1, 'count'))
    vi.advanceTimersByTime(1)
    expect((await limits.tokenRequest(caller)).ok).toBe(true)
  })

  it('S29 ask for one event a window and key, however long the flood: the rest is counted', async () => {
    const limits = createRateLimits({ tokenRequestsPerCaller: 2, consentStartsPerCaller: 1 })
    for (let minute = 0; minute < 3; minute += 1) {
      const outcomes = await repeat(500, () => limits.tokenRequest(workload('a')))
      const records = outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.record))
      expect(records.filter((record) => record === 'event')).toHaveLength(1)
      expect(records.slice(3)).toEqual(Array(497).fill('count'))
      vi.advanceTimersByTime(60_000)
    }
  })

  it('S29 ask for no event about anybody unknown', async () => {
    const limits = createRateLimits({ deviceEntriesPerAddress: 1 })
    for (const attempt of [() => limits.deviceEntry(undefined), () => limits.deviceEntry('192.0.2.1')]) {
      expect((await repeat(3, attempt)).slice(1)).toEqual([limited(60, 'count'), limited(60, 'count')])
    }
  })

  it('keep callers, projects and kinds of requests apart', async () => {
    const limits = createRateLimits({ tokenRequestsPerCaller: 1, consentStartsPerCaller: 1 })
    await repeat(5, () => limits.tokenRequest(workload('a')))
    expect((await limits.tokenRequest(workload('b'))).ok).toBe(true)
    expect((await limits.consentStart(workload('a'))).ok).toBe(true)
    expect((await limits.tokenRequest(withToken('vat_1'))).ok).toBe(true)
    expect((await limits.tokenRequest(withToken('vat_2'))).ok).toBe(true)
    expect((await limits.tokenRequest(withToken('vat_1'))).ok).toBe(false)
  })

  it('limit a project as a whole, but not for what was refused to one of its callers', async () => {
    const limits = createRateLimits({ tokenRequestsPerCaller: 2, tokenRequestsPerProject: 3 })
    await repeat(50, () => limits.tokenRequest(workload('a')))
    expect((await limits.tokenRequest(workload('b'))).ok).toBe(true)
    expect(await limits.tokenRequest(workload('c'))).toEqual(limited(60, 'event'))
    expect((await limits.tokenRequest(workload('d', 'prj_2'))).ok).toBe(true)
  })

  it('keep the holders of gateway tokens apart, and from workloads', async () => {
    const limits = createRateLimits({ callsPerCaller: 1 })
    expect(passed(await repeat(3, () => limits.call({ grantId: 'grt_1' })))).toBe(1)
    expect((await limits.call({ grantId: 'grt_2' })).ok).toBe(true)
    expect(await limits.call(workload('a'))).toEqual({ ok: true, value: undefined })
    expect(await limits.call(workload('a'))).toEqual(limited(60, 'event'))
    expect(await limits.call(workload('a'))).toEqual(limited(60, 'count'))
  })

  it('S29 do not let a thousand wrong device codes a minute stop whoever has a right one', async () => {
    const limits = createRateLimits()
    await Promise.all(Array.from({ length: 1_000 }, () => limits.wrongDeviceEntry()))
    expect((await limits.deviceEntry('192.0.2.2')).ok).toBe(true)
  })

  it('stop all device entries for the minute after too many wrong codes, not for ever', async () => {
    const limits = createRateLimits({ wrongDeviceEntries: 2 })
    await repeat(2, async () => {
      await limits.wrongDeviceEntry()
      return limits.deviceEntry(undefined)
    })
    expect((await limits.deviceEntry('192.0.2.9')).ok).toBe(false)
    vi.advanceTimersByTime(60_000)
    expect((await limits.deviceEntry('192.0.2.9')).ok).toBe(true)
  })

  it.each([
    [{ tokenRequestsPerCaller: 0 }, 'limits.tokenRequestsPerCaller'],
    [{ consentStartsPerCaller: 1.5 }, 'limits.consentStartsPerCaller'],
    [{ wrongDeviceEntries: Number.NaN }, 'limits.wrongDeviceEntries'],
    [JSON.parse('{"tokens":1}'), 'limits.tokens is unknown'],
    [JSON.parse('{"constructor":1}'), 'limits.constructor is unknown'],
  ])('name the limit that is wrong in %o', (config, name) => {
    expect(() => createRateLimits(config)).toThrow(name)
  })
})

describe('the memory of a limit', () => {
  it('holds so many keys: more share one allowance, and those that were there keep theirs', async () => {
    const limit = createWindowLimit({ attempts: 2, windowSeconds: 60, maxKeys: 3, now: Date.now })
    for (const key of ['a', 'b', 'c']) expect((await limit.count(key)).ok).toBe(true)
    expect((await limit.count('d')).ok).toBe(true)
    expect((await limit.count('e')).ok).toBe(true)
    for (let n = 0; n < 1000; n += 1) expect((await limit.count(`flood ${n}`)).ok).toBe(false)
    expect(vi.getTimerCount()).toBe(4)
    expect((await limit.count('a')).ok).toBe(true)
    vi.advanceTimersByTime(60_000)
    expect(vi.getTimerCount()).toBe(0)
    for (const key of ['f', 'g', 'h']) expect((await limit.count(key)).ok).toBe(true)
  })
})

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:db8:0:1:ffff::', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['somewhere', 'unknown'],
    ['', 'unknown'],
    [undefined, 'unknown'],
  ])('count %s as %s', (address, key) => {
    expect(addressKey(address)).toBe(key)
  })
})
