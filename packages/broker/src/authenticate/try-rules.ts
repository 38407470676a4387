import { nestClaims } from './claim-text.ts'
import type { SeenDetails } from './identities-seen.ts'
import { admit } from './identity-token.ts'
import { hasAudience, isYoungEnough, matchRule } from './match-rule.ts'
import type { TrustRule } from './trust-rule.ts'

/** Where rules send an identity. */
export interface Place {
  readonly project: { readonly id: string; readonly name: string }
  readonly environment: string
}

/** What becomes of one identity by other rules; absent where it is not admitted. */
export interface Difference {
  readonly identity: SeenDetails
  readonly before?: Place
  readonly after?: Place
  /** Why it is not admitted afterwards. */
  readonly reason?: 'claims_unmatched' | 'identity_ambiguous'
}

/** What becomes of identities by other rules: those that are not named keep what they have. */
export interface Differences {
  readonly gains: readonly Difference[]
  readonly loses: readonly Difference[]
  readonly changes: readonly Difference[]
}

/**
 * Tries rules on identities that were seen. One that several places match afterwards loses: it is refused as ambiguous.
 *
 * It is as exact as what was kept of them: claims that are long, or that differ from run to run, were not.
 */
export function tryRules(
  identities: Iterable<SeenDetails>,
  before: readonly TrustRule[],
  after: readonly TrustRule[],
): Differences {
  const differences = { gains: [] as Difference[], loses: [] as Difference[], changes: [] as Difference[] }
  // Rules that stay decide about identities only together with one that comes or goes.
  const [old, next] = [new Set(before), new Set(after)]
  const changed = [...before.filter((rule) => !next.has(rule)), ...after.filter((rule) => !old.has(rule))]
  for (const identity of identities) {
    if (matching(identity, changed).length === 0) continue
    const [was, will] = [decide(identity, before), decide(identity, after)]
    if ('place' in was && 'place' in will) {
      if (!samePlace(was.place, will.place)) {
        differences.changes.push({ identity, before: was.place, after: will.place })
      }
    } else if ('place' in will) differences.gains.push({ identity, after: will.place })
    else if ('place' in was) differences.loses.push({ identity, before: was.place, reason: will.reason })
  }
  return differences
}

type Decision = { readonly place: Place } | { readonly reason: 'claims_unmatched' | 'identity_ambiguous' }

function matching(identity: SeenDetails, rules: readonly TrustRule[]): readonly TrustRule[] {
  const { issuer, subject, audience, lifeSeconds } = identity
  const claims: Record<string, unknown> = nestClaims(identity.claims)
  claims.aud = audience
  if (subject !== '') claims.sub = subject
  // As if it had been issued this moment.
  const times = { iat: 0, exp: lifeSeconds }
  return rules.filter(
    (rule) =>
      rule.issuer === issuer &&
      hasAudience(claims, rule.audience) &&
      isYoungEnough(rule, times, 0) &&
      matchRule(rule, claims),
  )
}

function decide(identity: SeenDetails, rules: readonly TrustRule[]): Decision {
  const outcome = admit(matching(identity, rules), identity.subject)
  if (!outcome.ok) {
    const ambiguous = outcome.refusal.reason === 'identity_ambiguous'
    return { reason: ambiguous ? 'identity_ambiguous' : 'claims_unmatched' }
  }
  const { projectId: id, projectName: name, environment } = outcome.value
  return { place: { project: { id, name }, environment } }
}

function samePlace(one: Place, other: Place): boolean {
  return one.project.id === other.project.id && one.environment === other.environment
}
