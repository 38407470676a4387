import { isDeepStrictEqual } from 'node:util'
import { type BrokerClient, route } from '../broker-client/client.ts'
import {
  type AddedTrustRule,
  type TrustRule,
  trustPreview,
  trustRules,
} from '../broker-client/trust-answers.ts'

/**
 * The rule that the project has already and that says the same as the one to be added. What a template makes of its
 * fields only the broker knows: it is asked by a dry run, and only where a rule of the same environment is there.
 */
export async function findTwin(
  client: BrokerClient,
  project: string,
  body: Readonly<Record<string, unknown>>,
): Promise<AddedTrustRule | undefined> {
  const { rules } = await client.call('GET', route`/v1/projects/${project}/trust`, trustRules)
  const candidates = rules.filter(({ environment }) => environment === body.environment)
  if (candidates.length === 0) return undefined
  const path = route`/v1/projects/${project}/trust/dry-run`
  const { rule, words, weaknesses } = await client.call('POST', path, trustPreview, { body })
  const twin = candidates.find((candidate) => isDeepStrictEqual(saidBy(candidate), saidBy(rule)))
  return twin === undefined ? undefined : { ...twin, words, weaknesses }
}

function saidBy(rule: Omit<TrustRule, 'id'>): readonly unknown[] {
  const { environment, issuer, audience, claims, refuse, maxAgeSeconds } = rule
  return [environment, issuer, audience, anyOf(claims), anyOf(refuse), maxAgeSeconds]
}

/** A claim's values are alternatives: their order says nothing. */
function anyOf(claims: Readonly<Record<string, unknown>> | null | undefined): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(claims ?? {}).map(([name, values]) => [
      name,
      Array.isArray(values) ? [...values].sort() : values,
    ]),
  )
}
