import type { FakePlatform, PlatformFault } from '@valetkey/testing/platforms'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { brokerUrl, errorOf } from '../../test-support/fakes.ts'
import {
  everyPlatform,
  type PlatformCase,
  readByOthers,
  workloadOnAny,
} from '../test-support/every-platform.ts'

const platforms = new Map<string, FakePlatform>()

beforeAll(async () => {
  await Promise.all(everyPlatform.map(async ({ source, start }) => platforms.set(source, await start())))
  const all = Object.assign({}, ...[...platforms.values()].map(({ environment }) => environment))
  for (const name of readByOthers) vi.stubEnv(name, all[name])
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await Promise.all([...platforms.values()].map((platform) => platform.close()))
})

/** Runs on all of them at the same time; a failure says where. With `fault`, for so many answers. */
async function onEach(
  some: readonly PlatformCase[],
  run: (platform: FakePlatform, known: PlatformCase) => Promise<void>,
  fault?: PlatformFault,
  times?: number,
): Promise<void> {
  const runs = some.map(async (known) => {
    const platform = platforms.get(known.source)
    if (platform === undefined) throw new Error(`${known.source} was not started`)
    platform.misbehave(fault, times)
    await run(platform, known).catch((cause: unknown) => {
      throw new Error(`${known.source}: ${cause instanceof Error ? cause.message : cause}`, { cause })
    })
    platform.misbehave()
  })
  const outcomes = await Promise.allSettled(runs)
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'))
}

const overHttp = everyPlatform.filter(({ by }) => by === 'http')
const asked = everyPlatform.filter(({ by }) => by === 'http' || by === 'command')

describe('every platform', () => {
  it('gives an identity for the right audience, and the platform’s own where it leaves no choice', () =>
    onEach(everyPlatform, async (platform, { audience = brokerUrl }) => {
      const workload = workloadOnAny(platform)
      expect(await workload.call()).toBe('provider-token')
      expect(workload.identities()).toMatchObject([{ audiences: [audience], issuer: platform.issuer }])
    }))

  it('that is asked is asked by each exchange, and not for a token that is cached', () =>
    onEach(asked, async (platform, { source }) => {
      const workload = workloadOnAny(platform)
      const before = platform.asked()
      await workload.call()
      await workload.call()
      await workload.call('another')
      // Fly's is given by a function here, which every call asks.
      expect(platform.asked() - before).toBe(source === 'fly' ? 3 : 2)
    }))

  it('is asked for one more, once, when the issuing point calls its identity expired', () => {
    const answer = (): Response => Response.json({ error: { code: 'identity_expired' } }, { status: 401 })
    // Fly's is given by a function here.
    const some = asked.filter(({ source }) => source !== 'fly')
    return onEach(some, async (platform) => {
      const before = platform.asked()
      const { call, sent } = workloadOnAny(platform, { answer })
      expect((await errorOf(call())).code).toBe('identity_expired')
      expect(platform.asked() - before).toBe(2)
      // A platform that writes nothing unique signs the same token again in the same second, which is not sent again.
      expect(sent.length).toBeLessThanOrEqual(2)
    })
  })
})

describe('a platform that matches and is broken', () => {
  const stops =
    (code: string = 'identity_unavailable') =>
    async (platform: FakePlatform, { title }: PlatformCase): Promise<void> => {
      const { call, sent } = workloadOnAny(platform, { timeoutMs: 400 })
      const error = await errorOf(call())
      expect(sent).toEqual([])
      expect(error.message).not.toMatch(/eyJ|the-access-token|not-a-token|not what was asked/)
      expect(error.code).toBe(code)
      if (code === 'identity_unavailable') expect(error.message.toLowerCase()).toContain(title.toLowerCase())
    }

  it.each(['expired', 'garbage', 'refuses'] as const)(
    'S14 %s: stops, names itself and sends nothing',
    (fault) =>
      // A program has to start first.
      onEach(
        everyPlatform.filter(({ by }) => by !== 'command'),
        stops(),
        fault,
      ),
  )

  it('S14 wrong-audience: stops, names itself and sends nothing', () =>
    // Where nobody chose the audience, the issuing point decides.
    onEach(
      everyPlatform.filter(({ by, isFixed }) => by !== 'command' && isFixed !== true),
      stops(),
      'wrong-audience',
    ))

  it.each(['redirect', 'unavailable', 'rate-limited'] as const)(
    'S14 %s for ever: stops within the timeout',
    (fault) =>
      // AWS's own client tries again for as long as it may.
      onEach(
        overHttp.filter(({ source }) => source !== 'aws' || fault === 'redirect'),
        stops(),
        fault,
      ),
  )

  it('S14 silent for ever: keeps no call longer than its timeout, and leaves nothing running', async () => {
    const startedAtMs = performance.now()
    await onEach(
      overHttp,
      async (platform, known) => {
        await stops('timeout')(platform, known)
        expect(performance.now() - startedAtMs).toBeLessThan(2_000)
        await vi.waitFor(() => expect(platform.waiting()).toBe(0))
      },
      'hang',
    )
  })

  it('is asked again after the time that it said, and has the right identity then', () =>
    onEach(
      overHttp,
      async (platform, { audience = brokerUrl }) => {
        const before = platform.asked()
        const workload = workloadOnAny(platform)
        await workload.call()
        expect(platform.asked() - before).toBe(2)
        expect(workload.identities()).toMatchObject([{ audiences: [audience] }])
      },
      'rate-limited',
      1,
    ))

  it('and redirects is not followed, though an identity would be there', () =>
    onEach(
      overHttp,
      async (platform, known) => {
        const before = platform.asked()
        await stops()(platform, known)
        expect(platform.asked() - before).toBe(1)
      },
      'redirect',
      1,
    ))
})
