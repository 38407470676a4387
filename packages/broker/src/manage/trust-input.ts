import { findKnownIssuer } from '../authenticate/known-issuers.ts'
import { parseTrustRule, type TrustRuleInput } from '../authenticate/trust-rule.ts'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { isRecord } from '../strict-json.ts'
import { fillTemplate } from '../trust-templates/fill-template.ts'

/** A rule that may be stored, and what it means in words. */
export interface NewRule {
  readonly rule: TrustRuleInput
  readonly words: readonly string[]
  readonly weaknesses: readonly string[]
}

const besideTemplate: ReadonlySet<string> = new Set(['environment', 'template', 'audience', 'maxAgeSeconds'])

/**
 * Reads the body that adds a trust rule: the rule itself, or a template's fields. What a template makes of them goes
 * through the same parser as everything else.
 */
export function parseNewRule(context: BrokerContext, body: unknown): Outcome<NewRule> {
  const { publicUrl, allowHttpLoopback } = context
  if (!isRecord(body) || body.template === undefined) {
    const rule = parseTrustRule(body, { publicUrl, allowHttpLoopback })
    return rule.ok ? accept({ rule: rule.value, words: wordsFor(rule.value), weaknesses: [] }) : rule
  }
  const beside = Object.keys(body).find((name) => !besideTemplate.has(name))
  if (beside !== undefined) return invalid(`"${beside.slice(0, 60)}" is not for a rule that a template makes`)

  const { environment, audience, maxAgeSeconds } = body
  // A name that is none is told by the rule's parser below.
  const about = {
    environment: typeof environment === 'string' && environment !== '' ? environment : 'production',
  }
  const filled = fillTemplate(body.template, about)
  if (!filled.ok) return filled
  const { words, weaknesses = [], sameIdsAs, ...made } = filled.value
  if (made.audience !== undefined && audience !== undefined && audience !== made.audience) {
    return invalid(`audience: tokens of this platform are for "${made.audience}" only`)
  }
  const rule = parseTrustRule(
    {
      ...made,
      environment,
      ...(audience === undefined ? {} : { audience }),
      ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
    },
    { publicUrl, allowHttpLoopback, ...(sameIdsAs === undefined ? {} : { sameIdsAs }) },
  )
  if (!rule.ok) return rule
  return accept({ rule: rule.value, words: [...words, tokensInWords(rule.value)], weaknesses })
}

/** What a rule admits, in sentences, where no template says it better. */
export function wordsFor(rule: TrustRuleInput): readonly string[] {
  const refused = Object.entries(rule.refuse).map(([name, values]) => `${name} is ${either(values)}`)
  return [
    `Identities of ${rule.issuer} whose ${Object.entries(rule.claims)
      .map(([name, values]) => `${name} is ${either(values)}`)
      .join(' and whose ')}.`,
    ...(refused.length === 0 ? [] : [`Not: those whose ${refused.join(', or whose ')}.`]),
    tokensInWords(rule),
  ]
}

function tokensInWords(rule: TrustRuleInput): string {
  const { issuer, audience, maxAgeSeconds } = rule
  const limit =
    findKnownIssuer(issuer)?.longLived === true
      ? `were issued at most ${maxAgeSeconds} seconds ago`
      : `live at most ${maxAgeSeconds} seconds`
  return `Their tokens are for the audience ${audience} and ${limit}.`
}

function either(values: readonly string[]): string {
  return values.map((value) => `"${value}"`).join(' or ')
}

function invalid(message: string): Outcome<never> {
  return refuse({ reason: 'request_invalid', message })
}
