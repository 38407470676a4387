import type { BrokerContext } from '../context.ts'
import { faultName } from '../issue/provider-call.ts'
import {
  findOverdue,
  isAttached,
  lockConsentRequest,
  purgeConsentRequests,
} from '../store/consent-requests.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import { expired } from './answer-request.ts'
import { giveUp } from './complete.ts'
import { requestEvent } from './consent-events.ts'
import { statusAt } from './state.ts'

/** A request can be asked about for so long after its time. */
const keepMs = 86_400_000

/** Ends requests that can come to nothing any more, and what was granted for them; forgets old ones. */
export async function sweep(context: BrokerContext): Promise<void> {
  for (const id of await findOverdue(context.db, { now: context.now(), limit: 100 })) {
    try {
      await sweepOne(context, id)
    } catch (error) {
      // One that can't even be opened must not keep the others from their turn; it is over all the same.
      context.log('warn', 'a consent request could not be ended', { request: id, fault: faultName(error) })
    }
  }
  await purgeConsentRequests(context.db, context.now(), keepMs)
}

async function sweepOne(context: BrokerContext, id: string): Promise<void> {
  const swept = await context.db.transaction().execute(async (transaction) => {
    const row = await lockConsentRequest(transaction, id)
    if (row === undefined || (row.status !== 'pending' && row.status !== 'consented')) return undefined
    if (statusAt(row, context.now()) === 'expired') {
      await giveUp(context, transaction, row, expired, 'expired')
      return row
    }
    if (await isAttached(transaction, row)) return undefined
    const message = 'The connector was detached from the project'
    await giveUp(context, transaction, row, { code: 'conflict', message })
    return row
  })
  if (swept?.credential != null) await recordLoss(context, swept)
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
