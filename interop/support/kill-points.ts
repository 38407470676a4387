import { setTimeout as wait } from 'node:timers/promises'
import { distinctTokens, judge, type KillOutcome, type KillPoint } from './kill-rules.ts'
import { askPatiently, askToken, type Replica, type Replicas } from './replicas.ts'
import { createRandom } from './seeded.ts'

export type { KillOutcome, KillPoint } from './kill-rules.ts'

/** `count` points, the same for the same seed; half of them after the answer, where the order of commits matters. */
export function planKillPoints(seed: number, count: number, spreadMs: number): readonly KillPoint[] {
  const random = createRandom(seed)
  const moments = ['unseen', 'answered', 'unanswered', 'answered'] as const
  return Array.from({ length: count }, (_, id) => ({
    id,
    moment: moments[id % moments.length] ?? 'answered',
    answerAgeMs: Math.round(random() * spreadMs),
  }))
}

/** How many callers each grant has at the other replicas. */
const callers = 3

/**
 * Has `victim` refresh one new grant for each point, kills it when every one of them is where its point says, and
 * judges what the callers at the other replicas get.
 *
 * One kill serves many points: its moment is the same for all, the provider's answers come at different times.
 */
export async function killAt(
  world: Replicas,
  victim: Replica,
  survivors: readonly Replica[],
  points: readonly KillPoint[],
  label: string,
): Promise<readonly KillOutcome[]> {
  const [helper] = survivors
  if (helper === undefined) throw new Error('Somebody must survive')
  const grants = points.map((point) => ({ point, user: `${label}-${point.id}`, stage: createStage() }))
  const users = grants.map(({ user }) => user)
  await world.grant(helper, users, 'expired')

  const byUser = new Map(grants.map((grant) => [grant.user, grant]))
  const release = createStage()
  world.provider.holdRefresh = (account, moment) => {
    const grant = byUser.get(account)
    if (grant === undefined || grant.stage.reached()) return undefined
    const { point, stage } = grant
    if (moment === 'arrived') return point.moment === 'unseen' ? stage.reach().then(forever) : undefined
    stage.reach()
    return point.moment === 'unanswered'
      ? forever()
      : release.promise.then((at) => until(at - point.answerAgeMs))
  }

  const early: string[] = []
  const told = grants.map(async ({ user }) => {
    const answer = await askToken(world, victim, user)
    early.push(`${user} ${answer.status} ${answer.code ?? ''}`)
    return answer
  })
  await Promise.race([
    Promise.all(grants.map(({ stage }) => stage.promise)),
    wait(9_000).then(() => {
      const missing = grants.filter(({ stage }) => !stage.reached()).map(({ user }) => user)
      const answered = early.length === 0 ? 'nothing' : early.join(', ')
      throw new Error(`No refresh at the provider for ${missing.join(', ')}; answered: ${answered}`)
    }),
  ])
  const answers = grants.map(({ user }) =>
    Promise.all(
      Array.from({ length: callers }, (_, index) =>
        askPatiently(world, survivors[index % survivors.length] ?? helper, user),
      ),
    ).then((got) => ({ got, at: performance.now() })),
  )
  const killAtMs = performance.now() + 20 + Math.max(...points.map((point) => point.answerAgeMs))
  release.reach(killAtMs)
  await until(killAtMs)
  await victim.end('SIGKILL')
  const versions = await versionsOf(world, users)

  return Promise.all(
    grants.map(async ({ point, user }, index) => {
      const { got, at } = (await answers[index]) ?? { got: [], at: killAtMs }
      const first = await told[index]
      const again = await Promise.all(survivors.map((replica) => askToken(world, replica, user)))
      // What the killed process told counts like what any other tells.
      const all = [...got, ...again, ...(first?.status === 200 ? [first] : [])]
      const tokens = distinctTokens(all)
      const outcome = {
        ...point,
        result: tokens.length > 0 ? ('kept' as const) : ('lost' as const),
        stored: (versions.get(user) ?? 0) > 1,
        told: first?.status === 200,
        ...world.provider.historyOf(user),
        waitedMs: Math.round(at - killAtMs),
      }
      const good = await Promise.all(tokens.map((token) => world.provider.accepts(token)))
      return { ...outcome, broken: judge(outcome, all, tokens, good) }
    }),
  )
}

async function versionsOf(world: Replicas, users: readonly string[]): Promise<Map<string, number>> {
  const rows = await world.sql.query<{ user_id: string; credential_version: number }>(
    'select user_id, credential_version from grants where user_id = any($1)',
    [users],
  )
  return new Map(rows.map((row) => [row.user_id, row.credential_version]))
}

interface Stage {
  readonly promise: Promise<number>
  reached(): boolean
  reach(at?: number): Promise<number>
}

function createStage(): Stage {
  let resolve: (at: number) => void = () => {}
  let reached = false
  const promise = new Promise<number>((settle) => {
    resolve = settle
  })
  return {
    promise,
    reached: () => reached,
    reach(at = performance.now()) {
      reached = true
      resolve(at)
      return promise
    },
  }
}

/** Until the process that waits hangs up. */
function forever(): Promise<void> {
  return new Promise(() => {})
}

async function until(at: number): Promise<void> {
  const left = at - performance.now()
  if (left > 0) await wait(left)
}
