import type { Context } from '../client/context.ts'
import { findIdentity, givenIdentity } from '../identity/find-identity.ts'
import type { FoundIdentity } from '../identity/identity-source.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { CheckedOptions } from '../request/call-options.ts'
import type { IdentityFunction } from '../request/types.ts'

/** Who asks: the call's own identity, else the client's, else what the environment shows. */
export function whoAsks(
  context: Context,
  destination: Destination,
  call: CheckedOptions,
): FoundIdentity | IdentityFunction {
  const identity = call.identity ?? context.identity
  if (identity === undefined) return findIdentity(context.read, destination)
  return typeof identity === 'string' ? givenIdentity(identity) : identity
}
