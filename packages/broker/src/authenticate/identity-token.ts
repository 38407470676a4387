import { accept, type Outcome, refuse } from '../refusal.ts'
import { isPlainJwt, parseCompactToken } from './compact-token.ts'
import type { DevelopmentIssuer } from './development-issuer.ts'
import type { SeenIdentity } from './identities-seen.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { hasAudience, isYoungEnough, matchRule } from './match-rule.ts'
import { checkTimes } from './token-times.ts'
import type { TrustRule } from './trust-rule.ts'
import type { VerifiedIdentity } from './verified-identity.ts'

/** Where trust rules come from. */
export interface TrustRuleSource {
  /** Rules whose issuer equals this one exactly. */
  rulesFor(issuer: string): Promise<readonly TrustRule[]>
}

/**
 * Creates the check of identity tokens.
 *
 * The order is part of the design. The issuer is found in a rule before any of its keys are fetched, so a token
 * can't choose where we connect; nothing of a token is told apart before its signature holds.
 */
export function createIdentityVerifier(deps: {
  readonly rules: TrustRuleSource
  readonly keys: IssuerKeys
  readonly now: () => number
  readonly development: DevelopmentIssuer | undefined
  /** Told of every identity that the rules decided on, once its signature held. Must not wait or throw. */
  readonly seen?: (identity: SeenIdentity) => void
}): (token: string, options?: VerifyOptions) => Promise<Outcome<VerifiedIdentity>> {
  const { rules: source, keys, now, development, seen } = deps
  return async (text, options = {}) => {
    const parsed = parseCompactToken(text)
    if (!parsed.ok) return parsed
    const token = parsed.value
    // Before the rules: whatever they say, the broker's own issuer is verified by its own key and kind alone.
    if (development !== undefined && token.issuer === development.issuer) return development.verify(text)
    if (!isPlainJwt(token)) {
      return refuse({ reason: 'token_malformed', detail: '"typ" is not that of an identity token' })
    }

    const trusted = (await source.rulesFor(token.issuer)).filter(({ issuer }) => issuer === token.issuer)
    if (trusted.length === 0) return refuse({ reason: 'issuer_untrusted' })
    const signature = await keys.verify(token, token.issuer)
    if (!signature.ok) return signature

    const { payload } = token
    const addressed = trusted.filter(({ audience }) => hasAudience(payload, audience))
    if (addressed.length === 0) return refuse({ reason: 'audience_mismatch' })
    const times = checkTimes(payload, now())
    if (!times.ok) return times
    const timely = addressed.filter((rule) => isYoungEnough(rule, times.value, now()))
    if (timely.length === 0) return refuse({ reason: 'token_lives_too_long' })

    const outcome = admit(
      timely.filter((rule) => matchRule(rule, payload)),
      typeof payload.sub === 'string' ? payload.sub : '',
    )
    if (options.unseen !== true) {
      seen?.({
        token: text,
        issuer: token.issuer,
        claims: payload,
        times: times.value,
        rules: trusted,
        outcome,
      })
    }
    return outcome
  }
}

/** How a token is verified. */
export interface VerifyOptions {
  /** An operator asks about it: it is nobody's who came by. */
  readonly unseen?: true
}

/** Picks the one project and environment that the rules name: never the first of several. */
export function admit(matching: readonly TrustRule[], subject: string): Outcome<VerifiedIdentity> {
  const [rule, ...others] = matching
  if (rule === undefined) return refuse({ reason: 'claims_unmatched' })
  const elsewhere = others.some(
    ({ projectId, environment }) => projectId !== rule.projectId || environment !== rule.environment,
  )
  if (elsewhere) return refuse({ reason: 'identity_ambiguous' })
  const { projectId, projectName, environment, issuer, id: ruleId } = rule
  return accept({ projectId, projectName, environment, issuer, subject, ruleId })
}
