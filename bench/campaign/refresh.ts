import { type KillOutcome, killAt, planKillPoints } from '../../interop/support/kill-points.ts'
import { startReplicas } from '../../interop/support/replicas.ts'
import { type CampaignReport, machineFacts, table } from './report.ts'
import type { CampaignState } from './state.ts'

/** Points that one kill serves. */
const pointsAKill = 10
/** The age of the provider's answer at the kill: up to here, longer than storing it takes. */
const spreadMs = 120

/** Kills the replica that refreshes, at seeded points, and counts what becomes of the grants. */
export async function refreshCampaign(
  options: { readonly seed: number; readonly points: number },
  state: CampaignState,
): Promise<CampaignReport> {
  const plan = planKillPoints(options.seed, options.points, spreadMs)
  const outcomes: KillOutcome[] = []
  const world = await startReplicas(3)
  const replicas = [...world.first]
  try {
    for (let at = 0; at < plan.length; at += pointsAKill) {
      const key = `refresh-${at}`
      const points = plan.slice(at, at + pointsAKill)
      const done = state.get<readonly KillOutcome[]>(key)
      if (done !== undefined) {
        outcomes.push(...done)
        continue
      }
      // Each takes its turn: who is killed now has waited for others' leases before.
      const victim = replicas.shift()
      if (victim === undefined) throw new Error('No replica is left')
      const successor = world.start()
      // Heard of below, unless the round fails first.
      successor.catch(() => undefined)
      const killed = await killAt(world, victim, replicas, points, `kill-${at}`)
      replicas.push(await successor)
      outcomes.push(...killed)
      state.set(key, killed)
      const broken = killed.flatMap((outcome) => outcome.broken)
      console.error(
        `refresh ${outcomes.length}/${plan.length}${broken.length > 0 ? `: ${broken.join('; ')}` : ''}`,
      )
    }
  } finally {
    await world.close()
  }
  return report(options, outcomes)
}

const columns = [
  'moment',
  'answerAgeMs',
  'result',
  'stored',
  'told',
  'rotations',
  'reuses',
  'waitedMs',
  'broken',
] as const satisfies readonly (keyof KillOutcome)[]

const groups = [
  ['before the provider had seen the request', ({ moment }: KillOutcome) => moment === 'unseen'],
  ['rotated, the answer held back', ({ moment }: KillOutcome) => moment === 'unanswered'],
  [
    `answered 0–${spreadMs} ms before, not stored`,
    ({ moment, stored }: KillOutcome) => moment === 'answered' && !stored,
  ],
  [
    `answered 0–${spreadMs} ms before, stored, the caller not told`,
    ({ moment, stored, told }: KillOutcome) => moment === 'answered' && stored && !told,
  ],
  [
    `answered 0–${spreadMs} ms before, stored, the caller told`,
    ({ moment, stored, told }: KillOutcome) => moment === 'answered' && stored && told,
  ],
] as const

function report(
  { seed, points }: { readonly seed: number; readonly points: number },
  outcomes: readonly KillOutcome[],
): CampaignReport {
  const broken = outcomes.filter((outcome) => outcome.broken.length > 0)
  const count = (list: readonly KillOutcome[], result: KillOutcome['result']) =>
    list.filter((outcome) => outcome.result === result).length
  const rows = groups.map(([title, belongs]) => {
    const list = outcomes.filter(belongs)
    const waits = list.map(({ waitedMs }) => waitedMs / 1000)
    const longest = list.length === 0 ? '' : `${Math.max(...waits).toFixed(1)} s`
    const reuses = list.reduce((sum, outcome) => sum + outcome.reuses, 0)
    return [title, list.length, count(list, 'kept'), count(list, 'lost'), reuses, longest]
  })
  const text = `What becomes of a grant when the broker process that refreshes it is killed (SIGKILL).

Machine: ${machineFacts()}. Seed ${seed}, ${points} points; again with \`npm run campaign -- --only refresh --seed ${seed} --points ${points}\`.

Three brokers in processes of their own on one PostgreSQL; the provider is oidc-provider with refresh token rotation and its
reuse detection: a spent refresh token that comes back ends everything of its consent. Each point is one grant, consented to
by code and PKCE, imported, and refreshed by the process that is killed; three callers ask for it at the other replicas
meanwhile, and retry what the SDK retries. One kill serves ${pointsAKill} points: its moment is one, the provider's answers to the
${pointsAKill} refreshes come at different, seeded times before it.

${table(['killed', 'points', 'kept', 'lost', 'reuse seen by the provider', 'longest wait of a caller'], rows)}

**Broken promises: ${broken.length}.** Required at every point: all callers of a grant get the same token, or all are told to ask
for consent, within 30 s; a token that was handed out is accepted by the provider; no grant is lost that the provider had not
rotated for the killed process, none whose rotated token was stored, none whose refresh was answered to a caller; a refused
refresh is never tried again.

*Lost* is what no issuing point can save at a provider without a grace period: it had spent the old token, and the new one
was in the memory of the process that died.${
    broken.length === 0
      ? ''
      : `\n\n${table(
          ['point', 'broken'],
          broken.map((outcome) => [outcome.id, outcome.broken.join('; ')]),
        )}`
  }`
  return {
    name: 'refresh',
    held: broken.length === 0,
    text,
    options: { seed, points },
    columns,
    rows: outcomes.map((outcome) => columns.map((column) => outcome[column])),
  }
}
