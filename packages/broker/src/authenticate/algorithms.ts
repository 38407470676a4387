/**
 * Every signature algorithm the broker verifies. Asymmetric only: with HS256 in the list, whoever knows an
 * issuer's public key could sign with it (RFC 8725 §2.1).
 */
export const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** One of {@link algorithms}. */
export type Algorithm = (typeof algorithms)[number]

const known: ReadonlySet<unknown> = new Set(algorithms)

/** Whether `value` names an algorithm the broker verifies. */
export function isAlgorithm(value: unknown): value is Algorithm {
  return known.has(value)
}
