import type { FoundIdentity } from './identity-source.ts'

/** An identity that the caller gave, as a found one. */
export function givenIdentity(credential: string): FoundIdentity {
  return { source: { name: 'the identity option', partition: 'given' }, found: credential }
}
