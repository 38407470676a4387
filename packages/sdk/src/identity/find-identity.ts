import type { ReadEnvironment } from '../client/environment.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { FoundIdentity, IdentitySource } from './identity-source.ts'
import { identitySources } from './sources.ts'

const givenSource: IdentitySource = {
  name: 'the identity option',
  partition: 'given',
  find: () => undefined,
  variable: '',
  obtain: (found) => found,
}

/** An identity that the caller gave, as a found one. */
export function givenIdentity(credential: string): FoundIdentity {
  return { source: givenSource, found: credential }
}

/**
 * The identity that the environment shows: of the source that `VALETKEY_IDENTITY` names, else of the first that
 * matches. Decided from variables alone, at every call.
 *
 * When there is none, one that cannot be obtained: it throws `identity_unavailable` then, with every source and why it
 * declined.
 */
export function findIdentity(read: ReadEnvironment, destination: Destination): FoundIdentity {
  const forced = read('VALETKEY_IDENTITY')
  for (const source of identitySources) {
    if (forced !== undefined && source.name !== forced) continue
    const found = source.find(read, destination)
    if (found !== undefined) return { source, found }
  }
  const missing: IdentitySource = {
    ...givenSource,
    async obtain(_found, context) {
      const { whyNoIdentity } = await import('./why-no-identity.ts')
      throw whyNoIdentity(identitySources, read, context.destination)
    },
  }
  return { source: missing, found: '' }
}
