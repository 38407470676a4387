import { actorOf } from '../audit/actor.ts'
import type { AuditEvent } from '../audit/event.ts'
import type { BrokerContext } from '../context.ts'
import { answerFor } from '../refusal.ts'
import type { GatewayClient } from './client.ts'
import type { OAuthOutcome } from './oauth-error.ts'

/** A call of a client that is known. */
export interface ClientCall {
  readonly requestId: string
  readonly client: GatewayClient
}

/** Counts a call against the limit of its caller: the answer, where that is used up. Only the first is an event. */
export async function limitClient(
  context: BrokerContext,
  call: ClientCall,
): Promise<OAuthOutcome<never> | undefined> {
  const rate = await context.limits.call(call.client.workload)
  if (rate.ok) return undefined
  const code = 'temporarily_unavailable'
  if (rate.record === 'event') await recordRefused(context, call, code, 'rate_limited')
  else context.audit.countAnonymous('rate_limited')
  const { message } = answerFor(rate.refusal)
  const { retryAfterSeconds } = rate.refusal
  return { ok: false, error: { code, description: message, status: 429, retryAfterSeconds } }
}

/** Records that a call was refused; `error` is what the client is told. */
export async function recordRefused(
  context: BrokerContext,
  { requestId, client }: ClientCall,
  error: string,
  reason: 'request_invalid' | 'rate_limited' = 'request_invalid',
): Promise<void> {
  await context.audit.append({
    ...aboutClient(client),
    kind: 'token_refused',
    requestId,
    code: reason === 'request_invalid' ? 'invalid_request' : reason,
    reason,
    details: { error },
  })
}

/** What events about a client have in common. */
export function aboutClient({
  workload,
  link,
}: GatewayClient): Pick<
  AuditEvent,
  'actor' | 'action' | 'projectId' | 'environment' | 'connectorId' | 'connectorUid'
> {
  return {
    actor: actorOf(workload),
    action: 'sign_in',
    projectId: workload.projectId,
    environment: workload.environment,
    connectorId: link.connector.id,
    connectorUid: link.connector.uid,
  }
}
