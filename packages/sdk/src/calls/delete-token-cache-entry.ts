import { evictKey } from '../cache/evict.ts'
import { findPartition } from '../cache/token-cache.ts'
import { type Context, defaultContext } from '../client/context.ts'
import { emit } from '../client/events.ts'
import { givenIdentity } from '../identity/given-identity.ts'
import { checkCallOptions } from '../request/call-options.ts'
import { checkTokenRequest, requestKey } from '../request/token-request.ts'
import type { ConnectOptions, ConnectTokenParams } from '../request/types.ts'

/**
 * Forgets the cached token of exactly these arguments, at once: for a token that its provider rejected. The next call
 * asks the issuing point, and tells it which token was rejected.
 *
 * With a string as `identityToken`, forgets that caller's; without one, every caller's. Does nothing when nothing is
 * cached. The token itself stays valid: see `revokeToken`.
 *
 * @throws {ConnectError} `invalid_request` for arguments that `getToken` would not take either.
 */
export function deleteTokenCacheEntry(
  connector: string,
  params: ConnectTokenParams,
  options?: ConnectOptions,
): void {
  deleteTokenCacheEntryIn(defaultContext(), connector, params, options)
}

export function deleteTokenCacheEntryIn(
  context: Context,
  connector: string,
  params: ConnectTokenParams,
  options: ConnectOptions | undefined,
): void {
  const key = requestKey(checkTokenRequest(connector, params))
  const { identity } = checkCallOptions(options)
  let entries: number
  if (typeof identity === 'string') {
    const who = givenIdentity(identity)
    const { id } = context.destination()
    const partition = findPartition(context.cache, id, who.source.partition, who.found)
    entries = evictKey(context.cache, key, partition, false)
  } else entries = evictKey(context.cache, key, undefined, true)
  if (entries > 0) emit(context, { type: 'cache_evicted', connector, entries })
}
