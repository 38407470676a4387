import { anyObject, type Check, flag, list, number, object, optional, text } from './check.ts'

const anything: Check<unknown> = (_value): _value is unknown => true

/** A rule that maps an identity to a project and environment. */
export interface TrustRule {
  readonly id: string
  readonly environment: string
  readonly issuer: string
  readonly audience: unknown
  readonly claims: Readonly<Record<string, unknown>>
  readonly refuse: Readonly<Record<string, unknown>> | null | undefined
  readonly maxAgeSeconds: number | null | undefined
}
const said = {
  environment: text,
  issuer: text,
  audience: anything,
  claims: anyObject,
  refuse: optional(anyObject),
  maxAgeSeconds: optional(number),
}
/** Passes a {@link TrustRule}. */
export const trustRule: Check<TrustRule> = object<TrustRule>({
  id: text,
  ...said,
})

/** A rule that was just added, and what it means. */
export interface AddedTrustRule extends TrustRule {
  readonly words: readonly string[] | null | undefined
  readonly weaknesses: readonly string[] | null | undefined
}
/** Passes an {@link AddedTrustRule}. */
export const addedTrustRule: Check<AddedTrustRule> = object<AddedTrustRule>({
  id: text,
  ...said,
  words: optional(list(text)),
  weaknesses: optional(list(text)),
})

/** Where rules send an identity. */
export interface SeenPlace {
  readonly project: { readonly name: string }
  readonly environment: string
}
/** What becomes of an identity that was seen. */
export interface SeenDifference {
  readonly issuer: string
  readonly subject: string
  readonly before: SeenPlace | null | undefined
  readonly after: SeenPlace | null | undefined
  readonly reason: string | null | undefined
}
/** What a change of trust would do. */
export interface TrustPreview {
  readonly dryRun: boolean
  readonly rule: Omit<TrustRule, 'id'> & {
    readonly project: { readonly name: string } | null | undefined
  }
  readonly words: readonly string[] | null | undefined
  readonly weaknesses: readonly string[] | null | undefined
  readonly seen: { readonly identities: number; readonly since: number }
  readonly gains: readonly SeenDifference[]
  readonly loses: readonly SeenDifference[]
  readonly changes: readonly SeenDifference[]
  readonly counts: { readonly gains: number; readonly loses: number; readonly changes: number }
}
const namedProject = object<{ readonly name: string }>({ name: text })
const seenPlace = optional(object<SeenPlace>({ project: namedProject, environment: text }))
const seenDifferences = list(
  object<SeenDifference>({
    issuer: text,
    subject: text,
    before: seenPlace,
    after: seenPlace,
    reason: optional(text),
  }),
)
/** Passes a {@link TrustPreview}. */
export const trustPreview: Check<TrustPreview> = object<TrustPreview>({
  dryRun: flag,
  rule: object<TrustPreview['rule']>({ ...said, project: optional(namedProject) }),
  words: optional(list(text)),
  weaknesses: optional(list(text)),
  seen: object<TrustPreview['seen']>({ identities: number, since: number }),
  gains: seenDifferences,
  loses: seenDifferences,
  changes: seenDifferences,
  counts: object<TrustPreview['counts']>({ gains: number, loses: number, changes: number }),
})

/** The rules of a project. */
export interface TrustRules {
  readonly rules: readonly TrustRule[]
  readonly developmentIdentities: boolean | null | undefined
}
/** Passes {@link TrustRules}. */
export const trustRules: Check<TrustRules> = object<TrustRules>({
  rules: list(trustRule),
  developmentIdentities: optional(flag),
})

/** What a rule made of an identity, or of its claims. */
export interface RuleVerdict {
  readonly id: string
  readonly matched: boolean
  readonly reason: string
}
/** What was made of the token that carried the claims. */
export interface TokenVerdict {
  readonly accepted: boolean
  readonly reason: string | null | undefined
}
/** Why an identity is or is not admitted. */
export interface Explanation {
  readonly allowed: boolean
  readonly rules: readonly RuleVerdict[]
  readonly reason: string | null | undefined
  readonly token: TokenVerdict | null | undefined
}
/** Passes an {@link Explanation}. */
export const explanation: Check<Explanation> = object<Explanation>({
  allowed: flag,
  rules: list(object<RuleVerdict>({ id: text, matched: flag, reason: text })),
  reason: optional(text),
  token: optional(object<TokenVerdict>({ accepted: flag, reason: optional(text) })),
})
