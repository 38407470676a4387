import { type BackgroundWork, createBackgroundWork } from '../background.ts'
import type { BrokerContext } from '../context.ts'
import { deliverDue } from './deliver.ts'
import { sweep } from './sweep.ts'

/** Ends consents whose time is over and tells webhooks. Any number of replicas may run it. */
export function createConsentWork(
  context: BrokerContext,
  options: { readonly everyMs: number },
): BackgroundWork {
  return createBackgroundWork({
    name: 'consents',
    everyMs: options.everyMs,
    log: context.log,
    round: async () => {
      await sweep(context)
      await deliverDue(context)
    },
  })
}
