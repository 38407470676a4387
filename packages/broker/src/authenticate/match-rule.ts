import { matchesPattern } from './claim-pattern.ts'
import { findClaim, valueAt } from './claim-text.ts'
import { findKnownIssuer } from './known-issuers.ts'
import { checkTimes, type TokenTimes } from './token-times.ts'
import type { TrustRule } from './trust-rule.ts'

type Claims = Readonly<Record<string, unknown>>

/** Why one part of a rule did or didn't match. For operators: it may quote what the token says. */
export interface ClaimExplanation {
  readonly claim: string
  readonly matched: boolean
  readonly reason: string
}

/** Why a rule did or didn't match. */
export interface RuleExplanation {
  readonly id: string
  readonly matched: boolean
  readonly reason: string
  readonly claims: readonly ClaimExplanation[]
  readonly environment: string
}

/**
 * Whether a token's claims are those of a rule: each claim of the rule by one of its patterns, and none that the rule
 * refuses.
 */
export function matchRule(rule: Pick<TrustRule, 'claims' | 'refuse'>, claims: Claims): boolean {
  return (
    Object.entries(rule.claims).every(([name, patterns]) => matchesClaim(patterns, claims, name)) &&
    Object.entries(rule.refuse).every(([name, values]) => !isRefused(values, claims, name))
  )
}

/** Whether a token is not older than a rule accepts. */
export function isYoungEnough(
  rule: Pick<TrustRule, 'issuer' | 'maxAgeSeconds'>,
  times: TokenTimes,
  nowMs: number,
): boolean {
  if (times.exp - times.iat <= rule.maxAgeSeconds) return true
  const longLived = findKnownIssuer(rule.issuer)?.longLived === true
  return longLived && nowMs / 1000 - times.iat <= rule.maxAgeSeconds
}

/** Whether a token has one audience and it is `audience`; a list of several is a token for others too. */
export function hasAudience(claims: Claims, audience: string): boolean {
  const { aud } = claims
  return aud === audience || (Array.isArray(aud) && aud.length === 1 && aud[0] === audience)
}

/**
 * Explains a rule against a token's claims: issuer, audience, times and each claim.
 *
 * `timesOptional` is for claims typed by hand, without `exp` and `iat`: their absence isn't held against them.
 */
export function explainRule(
  rule: TrustRule,
  claims: Claims,
  nowMs: number,
  options: { readonly timesOptional: boolean } = { timesOptional: false },
): RuleExplanation {
  const parts = [
    explain('iss', claims.iss === rule.issuer, [rule.issuer], claims),
    explain('aud', hasAudience(claims, rule.audience), [rule.audience], claims),
    explainTimes(rule, claims, nowMs, options.timesOptional),
    ...Object.entries(rule.claims).map(([name, patterns]) =>
      explain(name, matchesClaim(patterns, claims, name), patterns, claims),
    ),
    ...Object.entries(rule.refuse).map(([name, values]) => explainRefused(name, values, claims)),
  ]
  const failed = parts.filter(({ matched }) => !matched)
  return {
    id: rule.id,
    matched: failed.length === 0,
    reason:
      failed.length === 0
        ? `Every claim matches: ${rule.projectName}, environment ${rule.environment}`
        : failed.map(({ claim, reason }) => `${claim}: ${reason}`).join('; '),
    claims: parts,
    environment: rule.environment,
  }
}

function matchesClaim(patterns: readonly string[], claims: Claims, name: string): boolean {
  const claim = findClaim(claims, name)
  return claim.found === 'text' && patterns.some((pattern) => matchesPattern(pattern, claim.text))
}

/** What has no text can't be shown to be something else: `["pull_request_target"]` is refused as well. */
function isRefused(values: readonly string[], claims: Claims, name: string): boolean {
  const claim = findClaim(claims, name)
  return claim.found === 'no-text' || (claim.found === 'text' && values.includes(claim.text))
}

function explainRefused(claim: string, values: readonly string[], claims: Claims): ClaimExplanation {
  const unwanted = values.map((value) => `"${value}"`).join(' or ')
  const value = valueAt(claims, claim)
  if (value === undefined) return { claim, matched: true, reason: `not ${unwanted}: the token has none` }
  const actual = shorten(JSON.stringify(value) ?? 'undefined')
  return isRefused(values, claims, claim)
    ? { claim, matched: false, reason: `the rule refuses ${unwanted}, the token has ${actual}` }
    : { claim, matched: true, reason: `${actual} is not refused` }
}

function explain(
  claim: string,
  matched: boolean,
  expected: readonly string[],
  claims: Claims,
): ClaimExplanation {
  const wanted = expected.map((pattern) => `"${pattern}"`).join(' or ')
  const value = valueAt(claims, claim)
  if (value === undefined) return { claim, matched, reason: `expected ${wanted}, the token has none` }
  const actual = shorten(JSON.stringify(value) ?? 'undefined')
  return {
    claim,
    matched,
    reason: matched ? `${actual} is expected` : `expected ${wanted}, the token has ${actual}`,
  }
}

function explainTimes(rule: TrustRule, claims: Claims, nowMs: number, optional: boolean): ClaimExplanation {
  const claim = 'exp'
  if (optional && !Object.hasOwn(claims, 'exp') && !Object.hasOwn(claims, 'iat')) {
    return { claim, matched: true, reason: 'not checked: the claims given have no "exp" and "iat"' }
  }
  const times = checkTimes(claims, nowMs)
  if (!times.ok) return { claim, matched: false, reason: timeFault(times.refusal) }
  const age = times.value.exp - times.value.iat
  if (!isYoungEnough(rule, times.value, nowMs)) {
    return { claim, matched: false, reason: `lives ${age} seconds, the rule accepts ${rule.maxAgeSeconds}` }
  }
  return { claim, matched: true, reason: `valid until ${isoTime(times.value.exp)}` }
}

function timeFault(refusal: { readonly reason: string; readonly detail?: string }): string {
  if (refusal.reason === 'token_expired') return 'the token has expired'
  if (refusal.reason === 'token_not_yet_valid') return 'the token is not valid yet'
  return refusal.detail ?? refusal.reason
}

/** Dates end at 8.64e15 ms, numbers in a token don't. */
function isoTime(seconds: number): string {
  return Math.abs(seconds) <= 8.64e12 ? new Date(seconds * 1000).toISOString() : `${seconds}`
}

function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`
}
