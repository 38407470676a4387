import type { Transaction } from 'kysely'
import type { BrokerContext } from '../context.ts'
import { faultName } from '../issue/provider-call.ts'
import {
  findOverdue,
  isAttached,
  lockConsentRequest,
  purgeConsentRequests,
  settle,
} from '../store/consent-requests.ts'
import type { ConsentRequestRow, Schema } from '../store/schema.ts'
import { expired } from './answer-request.ts'
import { giveUp } from './complete.ts'
import { requestEvent } from './consent-events.ts'
import { openGranted } from './granted.ts'
import { statusAt } from './state.ts'

/** A request can be asked about for so long after its time. */
const keepMs = 86_400_000

/** Ends requests that can come to nothing any more, and what was granted for them; forgets old ones. */
export async function sweep(context: BrokerContext): Promise<void> {
  await purgeConsentRequests(context.db, context.now(), keepMs)
  for (const id of await findOverdue(context.db, { now: context.now(), limit: 100 })) {
    try {
      await sweepOne(context, id)
    } catch (error) {
      // It must not keep the others from their turn.
      context.log('warn', 'a consent request could not be ended', { request: id, fault: faultName(error) })
    }
  }
}

async function sweepOne(context: BrokerContext, id: string): Promise<void> {
  const swept = await context.db.transaction().execute(async (transaction) => {
    const row = await lockConsentRequest(transaction, id)
    if (row === undefined || (row.status !== 'pending' && row.status !== 'consented')) return undefined
    if (statusAt(row, context.now()) === 'expired') {
      await end(context, transaction, row, expired, 'expired')
      return row
    }
    if (await isAttached(transaction, row)) return undefined
    const message = 'The connector was detached from the project'
    await end(context, transaction, row, { code: 'conflict', message })
    return row
  })
  if (swept?.credential != null) await recordLoss(context, swept)
}

/**
 * As {@link giveUp}, also for what can't be opened, whose key is gone or which somebody changed: left as it is, it would
 * come first in every round to come. It is dropped, and ends at the provider when its own time is over.
 */
async function end(
  context: BrokerContext,
  transaction: Transaction<Schema>,
  row: ConsentRequestRow,
  error: { readonly code: string; readonly message: string },
  status: 'error' | 'expired' = 'error',
): Promise<void> {
  if (opens(context, row)) return giveUp(context, transaction, row, error, status)
  context.log('warn', 'what was granted for a consent request does not open and was dropped', {
    request: row.id,
  })
  await settle(transaction, row, { status, error, now: context.now() })
}

function opens(context: BrokerContext, row: ConsentRequestRow): boolean {
  try {
    openGranted(context.keyRing, row)
    return true
  } catch {
    return false
  }
}

/** Somebody consented, and nothing came of it: worth a line, unlike links that nobody opened. */
async function recordLoss(context: BrokerContext, row: ConsentRequestRow): Promise<void> {
  const event = requestEvent(row, { actor: { type: 'broker' } })
  await context.audit.append({
    ...event,
    kind: 'consent_refused',
    details: { ...event.details, status: 'expired' },
  })
}
