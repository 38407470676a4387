import type { Context } from '../client/context.ts'
import type { findIdentity } from '../identity/find-identity.ts'
import { givenIdentity } from '../identity/given-identity.ts'
import type { FoundIdentity } from '../identity/identity-source.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { CheckedOptions } from '../request/call-options.ts'
import type { IdentityFunction } from '../request/types.ts'

let find: typeof findIdentity | undefined

/**
 * Who asks: the call's own identity, else the client's, else what the environment shows.
 *
 * A promise once in the life of a process: what finds identities in the environment is loaded by the first call that
 * has none of its own, which has to wait for a token anyway. From then on the answer is there at once, as a cached
 * token needs it.
 */
export function whoAsks(
  context: Context,
  destination: Destination,
  call: CheckedOptions,
): FoundIdentity | IdentityFunction | Promise<FoundIdentity> {
  const identity = call.identity ?? context.identity
  if (identity === undefined)
    return find === undefined ? loadAndFind(context, destination) : find(context.read, destination)
  return typeof identity === 'string' ? givenIdentity(identity) : identity
}

async function loadAndFind(context: Context, destination: Destination): Promise<FoundIdentity> {
  const { findIdentity } = await import('../identity/find-identity.ts')
  find = findIdentity
  return findIdentity(context.read, destination)
}
