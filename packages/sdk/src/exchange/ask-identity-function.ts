import { ConnectError, identityUnavailable } from '../errors/connect-error.ts'
import type { IdentityFunction } from '../request/types.ts'
import { type Wait, waitFor } from './flight.ts'

/** Calls an identity function, for no longer than its caller waits. Its result partitions the cache. */
export function askIdentityFunction(
  identity: IdentityFunction,
  audience: string,
  wait: Wait,
): Promise<string> {
  const controller = new AbortController()
  return waitFor(callIdentityFunction(identity, audience, controller.signal), wait, () => controller.abort())
}

async function callIdentityFunction(
  identity: IdentityFunction,
  audience: string,
  signal: AbortSignal,
): Promise<string> {
  let result: unknown
  try {
    result = await identity({ audience, signal })
  } catch (error) {
    if (error instanceof ConnectError) throw error
    throw new ConnectError('The identity function threw', { code: 'identity_unavailable', cause: error })
  }
  if (typeof result !== 'string' || result === '')
    throw identityUnavailable('The identity function did not return a token')
  return result
}
