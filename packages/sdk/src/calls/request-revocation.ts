import type { RevokeTokensRequest } from '@valetkey/protocol'
import { evictGrant } from '../cache/evict.ts'
import { findPartition } from '../cache/token-cache.ts'
import type { Context } from '../client/context.ts'
import { emit } from '../client/events.ts'
import { invalidRequest } from '../errors/connect-error.ts'
import { askOverHttp } from '../issuing-point/ask-over-http.ts'
import type { Destination, IssuingPointCall } from '../issuing-point/issuing-point.ts'
import type { CheckedOptions } from '../request/call-options.ts'
import { subjectOnWire } from '../request/on-wire.ts'
import type { CheckedSubject } from '../request/subject.ts'
import { callIssuingPoint } from './call-issuing-point.ts'

/** Forgets a grant's tokens, has it revoked, and forgets them again. */
export function requestRevocation(
  context: Context,
  connector: string,
  subject: CheckedSubject,
  installationId: string | undefined,
  options: CheckedOptions,
): Promise<void> {
  const request: RevokeTokensRequest = {
    subject: subjectOnWire(subject),
    ...(installationId === undefined ? undefined : { installationId }),
  }
  return callIssuingPoint(context, connector, options, async (destination, call, { source, found }) => {
    const evict = (): void => {
      const partition = findPartition(context.cache, destination.id, source.partition, found)
      if (partition === undefined) return
      const entries = evictGrant(context.cache, partition, connector, subject, installationId)
      if (entries > 0) emit(context, { type: 'cache_evicted', connector, entries })
    }
    evict()
    try {
      await send(destination, connector, request, call, options.region)
    } finally {
      // What was exchanged while the revocation was under way may have been issued before it took effect.
      evict()
    }
  })
}

async function send(
  { reach }: Destination,
  connector: string,
  request: RevokeTokensRequest,
  call: IssuingPointCall,
  region: string | undefined,
): Promise<void> {
  if (typeof reach === 'function')
    await askOverHttp(reach(region), 'DELETE', ['connectors', '/tokens'], connector, request, call)
  else if (reach.revokeTokens !== undefined) await reach.revokeTokens(connector, request, call)
  else throw invalidRequest('This issuing point cannot revoke tokens', connector)
}
