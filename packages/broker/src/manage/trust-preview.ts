import type { TrustRule, TrustRuleInput } from '../authenticate/trust-rule.ts'
import { type Difference, type Place, tryRules } from '../authenticate/try-rules.ts'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { readIdentitiesSeen } from '../store/identities-seen.ts'
import type { ProjectRow } from '../store/schema.ts'
import { isRecord } from '../strict-json.ts'
import { projectOf } from './projects.ts'
import { parseNewRule, wordsFor } from './trust-input.ts'

/** At most so many identities are named in each list; `counts` has the whole numbers. */
const maxListed = 100

/** A change of one rule, and what it means. */
interface Change {
  readonly rule: TrustRuleInput & { readonly id?: string }
  readonly words: readonly string[]
  readonly weaknesses: readonly string[]
  /** The issuer's rules of all projects. */
  readonly before: readonly TrustRule[]
  readonly after: readonly TrustRule[]
}

/**
 * Says which identities seen lately gain or lose access by a trust rule that would be added, or (`remove`) removed.
 * Stores nothing.
 */
export async function previewTrustRule(
  context: BrokerContext,
  reference: string,
  body: unknown,
): Promise<Outcome<object>> {
  const project = await projectOf(context, reference)
  if (!project.ok) return project
  await context.trust.refresh()
  const change =
    isRecord(body) && body.remove !== undefined
      ? await removal(context, project.value, body)
      : await addition(context, project.value, body)
  if (!change.ok) return change

  const { rule, words, weaknesses, before, after } = change.value
  const seen = await readIdentitiesSeen(context.db, context.now())
  const { gains, loses, changes } = tryRules(seen.identities, before, after)
  return accept({
    dryRun: true,
    rule: { ...rule, project: { id: project.value.id, name: project.value.name } },
    words,
    weaknesses,
    seen: { identities: seen.identities.length, since: seen.since },
    gains: gains.slice(0, maxListed).map(describe),
    loses: loses.slice(0, maxListed).map(describe),
    changes: changes.slice(0, maxListed).map(describe),
    counts: { gains: gains.length, loses: loses.length, changes: changes.length },
  })
}

async function addition(
  context: BrokerContext,
  project: ProjectRow,
  body: unknown,
): Promise<Outcome<Change>> {
  const parsed = parseNewRule(context, body)
  if (!parsed.ok) return parsed
  const { rule } = parsed.value
  const before = await context.trust.rulesFor(rule.issuer)
  const added = { ...rule, id: '', projectId: project.id, projectName: project.name }
  return accept({ ...parsed.value, before, after: [...before, added] })
}

async function removal(
  context: BrokerContext,
  project: ProjectRow,
  body: Readonly<Record<string, unknown>>,
): Promise<Outcome<Change>> {
  if (Object.keys(body).length > 1 || typeof body.remove !== 'string') {
    return refuse({ reason: 'request_invalid', message: 'remove: the id of a rule, and nothing beside it' })
  }
  const { remove } = body
  const found = await context.trust.rule(project.id, remove)
  if (found === undefined) return refuse({ reason: 'not_found', what: 'such trust rule in this project' })
  const before = await context.trust.rulesFor(found.issuer)
  const { projectId: _project, projectName: _name, ...rule } = found
  return accept({
    rule,
    words: wordsFor(rule),
    weaknesses: [],
    before,
    after: before.filter(({ id }) => id !== remove),
  })
}

function describe({ identity, before, after, reason }: Difference): {
  readonly issuer: string
  readonly subject: string
  readonly claims: Readonly<Record<string, string>>
  readonly before: Place | null
  readonly after: Place | null
  readonly reason?: string
} {
  const { issuer, subject, claims } = identity
  const why = reason === undefined ? {} : { reason }
  return { issuer, subject, claims, before: before ?? null, after: after ?? null, ...why }
}
