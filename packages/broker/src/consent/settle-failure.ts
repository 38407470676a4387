import type { AuditActor } from '../audit/event.ts'
import type { BrokerContext } from '../context.ts'
import { lockConsentRequest, settle } from '../store/consent-requests.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import type { ConsentError } from './browser-answer.ts'
import { requestEvent } from './consent-events.ts'

/** Ends a pending request with an error, and records that. False when it was no longer pending: then nothing changed. */
export async function settleFailure(
  context: BrokerContext,
  row: ConsentRequestRow,
  error: ConsentError,
  who: { readonly requestId: string; readonly actor: AuditActor },
): Promise<boolean> {
  const status = error.code === 'access_denied' ? 'denied' : 'error'
  const settled = await context.db.transaction().execute(async (transaction) => {
    const locked = await lockConsentRequest(transaction, row.id)
    if (locked?.status !== 'pending') return false
    await settle(transaction, locked, { status, error, now: context.now() })
    return true
  })
  if (!settled) return false
  const event = requestEvent(row, who)
  await context.audit.append({
    ...event,
    kind: 'consent_refused',
    details: { ...event.details, status, error: error.code },
  })
  return true
}
