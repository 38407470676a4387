import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { revokeUnderLoad } from './support/commit-order.ts'
import { killAt, planKillPoints } from './support/kill-points.ts'
import { askToken, type Replica, type Replicas, startReplicas } from './support/replicas.ts'
import { createRandom } from './support/seeded.ts'

const seed = 20_261_121

describe('three replicas on one PostgreSQL, with a provider that rotates refresh tokens', () => {
  let world: Replicas
  let a: Replica
  let b: Replica
  let c: Replica

  beforeAll(async () => {
    const started = await startReplicas(3)
    world = started
    const [first, second, third] = started.first
    if (first === undefined || second === undefined || third === undefined)
      throw new Error('Too few replicas')
    ;[a, b, c] = [first, second, third]
  })
  afterAll(() => world.close())

  it('refresh an expired grant once for fifty callers at the same moment', async () => {
    await world.grant(a, ['everybody'], 'expired')
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => askToken(world, [a, b, c][index % 3] ?? a, 'everybody')),
    )
    expect(answers.map(({ status, code }) => code ?? status)).toEqual(Array(50).fill(200))
    const tokens = new Set(answers.map(({ token }) => token))
    expect(tokens.size).toBe(1)
    expect(world.provider.historyOf('everybody')).toEqual({ arrivals: 1, rotations: 1, reuses: 0 })
    expect(await world.provider.accepts([...tokens][0] ?? '')).toBe(true)
  })

  it('refresh a rejected token once for all who name it, and once more when the next one is rejected', async () => {
    await world.grant(a, ['rejecting'], 'fresh')
    let rejected = await askToken(world, a, 'rejecting')
    for (const round of [1, 2, 3]) {
      const more = { rejectedTokenId: rejected.tokenId }
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          askToken(world, [a, b, c][index % 3] ?? a, 'rejecting', more),
        ),
      )
      expect(new Set(answers.map(({ token }) => token)).size).toBe(1)
      expect(answers[0]?.token).not.toBe(rejected.token)
      expect(world.provider.historyOf('rejecting')).toEqual({ arrivals: round, rotations: round, reuses: 0 })
      // Any of the answers must do to reject with: the next caller has whichever it was given.
      expect(new Set(answers.map(({ tokenId }) => tokenId)).size).toBe(1)
      rejected = answers[0] ?? rejected
    }
  })

  it('store nothing over a new consent after having been suspended in the middle of a refresh', async () => {
    await world.grant(a, ['returning'], 'expired')
    let release: () => void = () => {}
    const rotated = new Promise<void>((resolve) => {
      world.provider.holdRefresh = (account, moment) => {
        if (account !== 'returning' || moment !== 'rotated') return undefined
        resolve()
        return new Promise((go) => {
          release = go
        })
      }
    })
    const waiting = askToken(world, c, 'returning')
    await rotated
    c.signal('SIGSTOP')
    release()
    await world.grant(a, ['returning'], 'fresh')
    const renewed = await askToken(world, a, 'returning')
    c.signal('SIGCONT')
    // The answer that came while it was suspended is of a consent that is no longer the user's last word.
    expect((await waiting).token).toBe(renewed.token)
    for (const replica of [a, b, c])
      expect((await askToken(world, replica, 'returning')).token).toBe(renewed.token)
    expect(await world.provider.accepts(renewed.token ?? '')).toBe(true)
    world.provider.holdRefresh = () => undefined
  })

  it('stop serving a user at every replica with the answer to a revocation at one', async () => {
    for (const [round, [at, next]] of [[a, b] as const, [b, a] as const, [b, c] as const].entries()) {
      const user = `leaving-${round}`
      await world.grant(at, [user, `${user}-staying`], 'fresh')
      for (const replica of [at, next]) expect((await askToken(world, replica, user)).status).toBe(200)
      const answer = await fetch(
        `${at.url}/v1/connect/connectors/${encodeURIComponent(world.connector)}/tokens`,
        {
          method: 'DELETE',
          headers: { authorization: `Bearer ${world.workload}`, 'content-type': 'application/json' },
          body: JSON.stringify({ subject: { type: 'user', id: user } }),
        },
      )
      expect(answer.status).toBe(200)
      expect((await askToken(world, next, user)).code).toBe('user_authorization_required')
      expect((await askToken(world, next, `${user}-staying`)).status).toBe(200)
    }
  })

  it('commit no token_issued event after a revocation of everything, under load', async () => {
    const random = createRandom(seed)
    const replicas = [a, b, c]
    for (let round = 0; round < 5; round += 1) {
      const came = await revokeUnderLoad(world, replicas, {
        users: Array.from({ length: 4 }, (_, user) => `round-${round}-${user}`),
        afterAnswers: 30 + Math.floor(random() * 120),
        revokeAt: replicas[Math.floor(random() * 3)] ?? a,
        workersEach: 8,
      })
      expect(came).toMatchObject({ after: 0, servedLater: 0, before: came.answered })
    }
  })

  it('lose no grant to a SIGKILL that the provider had not ended itself', async () => {
    const points = planKillPoints(seed, 10, 80)
    const victims = await Promise.all([world.start(), world.start()])
    const outcomes = []
    for (const [index, victim] of victims.entries()) {
      const here = points.slice(index * 5, index * 5 + 5)
      outcomes.push(...(await killAt(world, victim, [a, b, c], here, `kill-${index}`)))
    }
    expect(outcomes.filter(({ broken }) => broken.length > 0)).toEqual([])
    expect(outcomes).toHaveLength(10)
    const lost = outcomes.filter(({ result }) => result === 'lost')
    expect(lost.every(({ moment }) => moment !== 'unseen')).toBe(true)
    expect(outcomes.filter(({ moment }) => moment === 'unseen')).not.toHaveLength(0)
  })
})
