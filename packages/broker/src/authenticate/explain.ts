import { isAlgorithm } from './algorithms.ts'
import { explainRule, type RuleExplanation } from './match-rule.ts'
import type { TrustRule } from './trust-rule.ts'

/** Whether an identity would be admitted to a project, and what each of its rules says about it. */
export interface IdentityExplanation {
  readonly allowed: boolean
  /** One sentence for the whole. */
  readonly reason: string
  readonly environment?: string
  readonly rules: readonly RuleExplanation[]
}

/**
 * Explains one project's rules against claims, for its operators: the answer quotes rules and claims.
 *
 * The signature isn't looked at, nor other projects. With `header` the claims are a token's and are held to
 * everything; without it they were typed by hand, and may leave out `exp` and `iat`.
 */
export function explainIdentity(input: {
  readonly rules: readonly TrustRule[]
  readonly claims: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly now: number
}): IdentityExplanation {
  const { claims, header, now } = input
  const rules = input.rules.map((rule) =>
    explainRule(rule, claims, now, { timesOptional: header === undefined }),
  )
  const headerFault = header === undefined ? undefined : faultOfHeader(header)
  if (headerFault !== undefined) return { allowed: false, reason: headerFault, rules }
  if (claims.sub !== undefined && typeof claims.sub !== 'string') {
    return { allowed: false, reason: '"sub" is not a string', rules }
  }

  const environments = [...new Set(rules.filter(({ matched }) => matched).map((rule) => rule.environment))]
  const [environment] = environments
  if (environment === undefined) {
    const reason =
      rules.length === 0 ? 'The project has no trust rules' : 'No trust rule of the project matches'
    return { allowed: false, reason, rules }
  }
  if (environments.length > 1) {
    return { allowed: false, reason: `Several environments match: ${environments.join(', ')}`, rules }
  }
  return { allowed: true, reason: `A trust rule admits it to ${environment}`, environment, rules }
}

function faultOfHeader({ alg, typ }: Readonly<Record<string, unknown>>): string | undefined {
  if (!isAlgorithm(alg)) return 'The header\'s "alg" is not an accepted asymmetric algorithm'
  if (typ !== undefined && (typeof typ !== 'string' || !/^(?:jwt|jose)$/i.test(typ))) {
    return 'The header\'s "typ" is not that of an identity token'
  }
  return undefined
}
