import { createHash } from 'node:crypto'

/** At most so many tokens are remembered for one key set: 10,000 digests of 32 bytes. */
const maxTokens = 10_000

/**
 * Remembers which tokens one key set has verified.
 *
 * Whether a signature holds depends on nothing but the token's bytes and the keys, and a workload sends the same token
 * until it expires: the check need not be made again while the keys are the same. Issuer, audience, times and claims are
 * judged anew for every request. It belongs to a key set and goes with it, so a key that an issuer withdraws takes what
 * it had signed along. Only digests are kept.
 */
export interface VerifiedTokens {
  has(token: string): boolean
  add(token: string): void
}

/** Creates an empty memory. */
export function createVerifiedTokens(): VerifiedTokens {
  const digests = new Set<string>()
  return {
    has: (token) => digests.has(digestOf(token)),
    add(token) {
      digests.add(digestOf(token))
      const [oldest] = digests
      if (digests.size > maxTokens && oldest !== undefined) digests.delete(oldest)
    },
  }
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
