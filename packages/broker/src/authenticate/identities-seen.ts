import { createHash } from 'node:crypto'
import type { AuditEvent } from '../audit/event.ts'
import type { Outcome } from '../refusal.ts'
import { claimTexts } from './claim-text.ts'
import { findKnownIssuer } from './known-issuers.ts'
import type { TokenTimes } from './token-times.ts'
import type { TrustRule } from './trust-rule.ts'
import type { VerifiedIdentity } from './verified-identity.ts'

/** An identity whose signature, audience and times held, and what the rules made of it. */
export interface SeenIdentity {
  /** Compared, never kept. */
  readonly token: string
  readonly issuer: string
  readonly claims: Readonly<Record<string, unknown>>
  readonly times: TokenTimes
  /** All of the issuer's. */
  readonly rules: readonly TrustRule[]
  readonly outcome: Outcome<VerifiedIdentity>
}

/** What `identity_seen` keeps of one: as much as it takes to ask later what other rules would make of it. */
export interface SeenDetails {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
  /** Claims that a rule could match, as text; nested ones by JSON Pointer. */
  readonly claims: Readonly<Record<string, string>>
  readonly lifeSeconds: number
  readonly outcome: 'admitted' | 'claims_unmatched' | 'identity_ambiguous'
}

const hourMs = 3_600_000
const limits = { events: 1_000, unadmittedOfOneIssuer: 100, tokens: 10_000, claims: 40, text: 256 } as const
/** A signature's end tells tokens apart, and is no secret: nothing can be made of it. */
const tailLength = 64

/**
 * Claims that differ from run to run, with which no identity would be seen twice, or that say who a person is. Kept only
 * where a rule names them, or where they are a platform's own ids.
 */
const noise: ReadonlySet<string> = new Set(
  [
    'nonce at_hash uti aio rh',
    // GitHub, GitLab
    'sha workflow_sha job_workflow_sha run_id run_number run_attempt check_run_id',
    'pipeline_id job_id ci_config_sha runner_id user_email user_identities',
    // CircleCI, Buildkite, Bitbucket, Semaphore, Terraform, Spacelift
    'oidc.circleci.com/pipeline-id oidc.circleci.com/workflow-id oidc.circleci.com/job-id',
    'build_number build_id build_commit agent_id step_uuid stepUuid pipelineUuid pipelineRunUuid',
    'ppl_id wf_id terraform_run_id runId',
    // Hosting and clusters
    'machine_id machine_name machine_version deployment_id container_id task_id',
    '/kubernetes.io/pod/name /kubernetes.io/pod/uid /kubernetes.io/warnafter',
    '/kubernetes.io/node/name /kubernetes.io/node/uid',
  ].flatMap((names) => names.split(' ')),
)
/** Never kept, even where a rule names them. */
const neverKept: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti'])

/**
 * Records which identities come by, each once an hour, so that a change of trust rules can be tried on them first.
 *
 * A token seen before costs one look into a map. At most 1,000 events an hour leave a process, half of them of
 * identities that no rule admits, and 100 of those of one issuer: whoever holds a trusted issuer's tokens can't grow the audit (S29).
 */
export function createIdentitiesSeen(deps: {
  readonly now: () => number
  readonly record: (event: AuditEvent) => void
}): (identity: SeenIdentity) => void {
  const { now, record } = deps
  let hour = -1
  const tokens = new Set<string>()
  const identities = new Set<string>()
  const unadmitted = new Map<string, number>()
  let unadmittedOfAll = 0

  function beginHour(current: number): void {
    hour = current
    tokens.clear()
    identities.clear()
    unadmitted.clear()
    unadmittedOfAll = 0
  }

  function isFirst(identity: SeenIdentity): boolean {
    const token = `${outcomeOf(identity.outcome)} ${identity.token.slice(-tailLength)}`
    if (tokens.has(token)) return false
    tokens.add(token)
    const [oldest] = tokens
    if (tokens.size > limits.tokens && oldest !== undefined) tokens.delete(oldest)
    return true
  }

  return (identity) => {
    const current = Math.floor(now() / hourMs)
    if (current !== hour) beginHour(current)
    if (!isFirst(identity) || identities.size >= limits.events) return
    const { issuer, outcome } = identity
    const count = unadmitted.get(issuer) ?? 0
    if (!outcome.ok && (count >= limits.unadmittedOfOneIssuer || unadmittedOfAll >= limits.events / 2)) return
    const details = describe(identity)
    const key = digestOf(details, outcome)
    if (identities.has(key)) return
    identities.add(key)
    if (!outcome.ok) {
      unadmitted.set(issuer, count + 1)
      unadmittedOfAll++
    }
    record(eventOf(details, outcome))
  }
}

/** The identity without what changes from token to token. */
export function sameIdentity(details: Omit<SeenDetails, 'lifeSeconds' | 'outcome'>): string {
  const claims = Object.entries(details.claims).sort(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify([details.issuer, subjectWithoutRun(details), details.audience, claims])
}

/** `sub` without the part that is new with every run: Bitbucket's step, Fly's machine, Buildkite's commit. */
function subjectWithoutRun({ issuer, subject }: Pick<SeenDetails, 'issuer' | 'subject'>): string {
  switch (findKnownIssuer(issuer)?.platform) {
    case 'Bitbucket Pipelines':
    case 'Fly.io':
      return subject.slice(0, subject.lastIndexOf(':') + 1)
    case 'Buildkite':
      return subject.replace(/:commit:[^:]*/, ':commit:')
    default:
      return subject
  }
}

function digestOf(details: SeenDetails, outcome: Outcome<VerifiedIdentity>): string {
  const whose = outcome.ok ? [outcome.value.projectId, outcome.value.environment, outcome.value.ruleId] : []
  const text = JSON.stringify([details.outcome, whose, sameIdentity(details)])
  return createHash('sha256').update(text).digest('base64url')
}

function outcomeOf(outcome: Outcome<VerifiedIdentity>): SeenDetails['outcome'] {
  if (outcome.ok) return 'admitted'
  return outcome.refusal.reason === 'identity_ambiguous' ? 'identity_ambiguous' : 'claims_unmatched'
}

function describe({ issuer, claims, times, rules, outcome }: SeenIdentity): SeenDetails {
  const { aud, sub } = claims
  const audience: unknown = Array.isArray(aud) ? aud[0] : aud
  return {
    issuer,
    subject: typeof sub === 'string' ? sub.slice(0, 1_024) : '',
    audience: typeof audience === 'string' ? audience.slice(0, 1_024) : '',
    claims: keptClaims(issuer, claims, rules),
    lifeSeconds: Math.trunc(times.exp - times.iat),
    outcome: outcomeOf(outcome),
  }
}

/**
 * What today's rules ask for, or identifies, comes first: a token with hundreds of claims must not push that out. And it
 * is no noise: `pipeline_id` is a run's at GitLab and a pipeline's at Buildkite.
 */
function keptClaims(
  issuer: string,
  claims: Readonly<Record<string, unknown>>,
  rules: readonly TrustRule[],
): Record<string, string> {
  const named = new Set([
    ...(findKnownIssuer(issuer)?.ids.flat() ?? []),
    ...rules.flatMap((rule) => [...Object.keys(rule.claims), ...Object.keys(rule.refuse)]),
  ])
  const all = [...claimTexts(claims)].filter(
    ([name, text]) => name.length <= limits.text && text.length <= limits.text && !neverKept.has(name),
  )
  const asked = all.filter(([name]) => named.has(name))
  const others = all.filter(([name]) => !named.has(name) && !noise.has(name))
  return Object.fromEntries([...asked, ...others].slice(0, limits.claims))
}

function eventOf(details: SeenDetails, outcome: Outcome<VerifiedIdentity>): AuditEvent {
  if (!outcome.ok) {
    const { reason } = outcome.refusal
    return { kind: 'identity_seen', actor: { type: 'broker' }, reason, details: { ...details } }
  }
  const { projectId, environment, issuer, ruleId } = outcome.value
  return {
    kind: 'identity_seen',
    actor: { type: 'workload', projectId, environment, issuer, subject: details.subject, ruleId },
    projectId,
    environment,
    details: { ...details },
  }
}
