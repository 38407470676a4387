import { accept, type Outcome, refuse } from '../refusal.ts'
import { isRecord } from '../strict-json.ts'
import { hasControlCharacter, matchesEverything } from './claim-pattern.ts'
import { isClaimName } from './claim-text.ts'
import { whyNotIdentifying } from './identifying-claims.ts'
import { checkIssuer } from './issuer-url.ts'
import { isOtherService } from './known-issuers.ts'

/** One sentence of trust: tokens of this issuer, for this audience, with these claims, are this project's. */
export interface TrustRule {
  readonly id: string
  readonly projectId: string
  readonly projectName: string
  readonly environment: string
  /** Compared byte for byte. */
  readonly issuer: string
  readonly audience: string
  /** All must match, each by one of its patterns. */
  readonly claims: Readonly<Record<string, readonly string[]>>
  /** Exact values: an identity with one of them is not admitted, whatever else it says. It never identifies. */
  readonly refuse: Readonly<Record<string, readonly string[]>>
  /** The longest `exp − iat` that is accepted. */
  readonly maxAgeSeconds: number
}

/** What an operator writes of a {@link TrustRule}. */
export type TrustRuleInput = Omit<TrustRule, 'id' | 'projectId' | 'projectName'>

/** The longest a token may live, and the default of a rule. */
const longestAgeSeconds = 86_400

const fields: ReadonlySet<string> = new Set([
  'environment',
  'issuer',
  'claims',
  'refuse',
  'audience',
  'maxAgeSeconds',
])
const environmentName = /^[a-z0-9][a-z0-9._-]{0,62}$/i
const maxTextLength = 1024
const maxClaimNameLength = 256
const maxClaims = 32
const maxValues = 16

/** Claims with a meaning of their own, which a rule states elsewhere or the broker checks itself. */
const claimsWithTheirOwnCheck: Readonly<Record<string, string>> = {
  iss: 'the rule names it as "issuer"',
  aud: 'the rule names it as "audience"',
  exp: 'it is always checked',
  iat: 'it is always checked; "maxAgeSeconds" limits the age',
  nbf: 'it is always checked',
}

/**
 * Reads the body that adds a trust rule. The refusal is `request_invalid` and names the field.
 *
 * A field that isn't known is refused rather than dropped: a misspelt `claims` must not leave a wider rule.
 */
export function parseTrustRule(
  input: unknown,
  options: {
    readonly publicUrl: string
    readonly allowHttpLoopback: boolean
    /** An issuer whose ids the rule's own issuer has too, where that one is not known: a server of one's own. */
    readonly sameIdsAs?: string
  },
): Outcome<TrustRuleInput> {
  if (!isRecord(input)) return invalid('A trust rule is a JSON object')
  const unknown = Object.keys(input).find((name) => !fields.has(name))
  if (unknown !== undefined) return invalid(`"${shorten(unknown)}" is not a field of a trust rule`)

  const { environment, issuer, maxAgeSeconds = longestAgeSeconds } = input
  if (typeof environment !== 'string' || !environmentName.test(environment)) {
    return invalid(
      'environment: letters, digits, ".", "_" and "-", up to 63, beginning with a letter or digit',
    )
  }

  const issuerFault = textFault(issuer) ?? checkIssuer(String(issuer), options)
  if (typeof issuer !== 'string' || issuerFault !== undefined) return invalid(`issuer: ${issuerFault}`)

  // A default, so a rule is never without an audience: a token meant for another service must not pass here.
  const audience = input.audience === undefined ? options.publicUrl.replace(/\/+$/, '') : input.audience
  const audienceFault = textFault(audience)
  if (typeof audience !== 'string' || audienceFault !== undefined)
    return invalid(`audience: ${audienceFault}`)
  if (isOtherService(audience)) {
    return invalid(
      `audience: "${audience}" is the audience of another token service; tokens for it are not for this broker`,
    )
  }

  if (
    typeof maxAgeSeconds !== 'number' ||
    !Number.isInteger(maxAgeSeconds) ||
    maxAgeSeconds < 1 ||
    maxAgeSeconds > longestAgeSeconds
  ) {
    return invalid(`maxAgeSeconds: a whole number from 1 to ${longestAgeSeconds}`)
  }

  const claims = parseClaims('claims', input.claims)
  if (!claims.ok) return claims
  const refused = parseClaims('refuse', input.refuse === undefined ? {} : input.refuse)
  if (!refused.ok) return refused
  const lacking = whyNotIdentifying(issuer, claims.value, options.sameIdsAs)
  if (lacking !== undefined) return invalid(lacking)
  return accept({
    environment,
    issuer,
    audience,
    claims: claims.value,
    refuse: refused.value,
    maxAgeSeconds,
  })
}

function parseClaims(field: 'claims' | 'refuse', input: unknown): Outcome<TrustRuleInput['claims']> {
  if (!isRecord(input)) return invalid(`${field}: an object of claim names and values`)
  const entries = Object.entries(input)
  if (entries.length > maxClaims) return invalid(`${field}: at most ${maxClaims}`)

  const claims: [string, readonly string[]][] = []
  for (const [name, given] of entries) {
    if (name === '' || !isClaimName(name) || name.length > maxClaimNameLength || hasControlCharacter(name)) {
      return invalid(`${field}: "${shorten(name)}" is not a claim name`)
    }
    const own = Object.hasOwn(claimsWithTheirOwnCheck, name) ? claimsWithTheirOwnCheck[name] : undefined
    if (own !== undefined) return invalid(`${field}.${name}: not a claim to match: ${own}`)

    const values: readonly unknown[] = Array.isArray(given) ? given : [given]
    if (values.length === 0) return invalid(`${field}.${name}: an empty list would match nothing`)
    if (values.length > maxValues) return invalid(`${field}.${name}: at most ${maxValues} values`)
    const texts: string[] = []
    for (const value of values) {
      const fault = textFault(value)
      if (typeof value !== 'string' || fault !== undefined) return invalid(`${field}.${name}: ${fault}`)
      // A pattern would read as "refuse what looks like this" and then let a near miss in.
      if (field === 'refuse' && value.includes('*')) {
        return invalid(`refuse.${name}: "${shorten(value)}" has a *; values are refused exactly`)
      }
      if (matchesEverything(value)) {
        return invalid(`${field}.${name}: "${value}" matches everything; write the part that must be there`)
      }
      texts.push(value)
    }
    claims.push([name, texts])
  }
  // Own members only, even for a claim called "__proto__".
  return accept(Object.fromEntries(claims))
}

function textFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string'
  if (value === '') return 'must not be empty'
  if (value.length > maxTextLength) return `longer than ${maxTextLength} characters`
  if (hasControlCharacter(value)) return 'holds a control character'
  return undefined
}

function shorten(text: string): string {
  return text.slice(0, 60)
}

function invalid(message: string): Outcome<never> {
  return refuse({ reason: 'request_invalid', message })
}
