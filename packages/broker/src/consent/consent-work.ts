import { type BackgroundWork, createBackgroundWork } from '../background.ts'
import type { BrokerContext } from '../context.ts'
import { createDeliveries } from './deliver.ts'
import { sweep } from './sweep.ts'

/** Ends consents whose time is over and tells webhooks. Any number of replicas may run it. */
export function createConsentWork(
  context: BrokerContext,
  options: { readonly everyMs: number },
): BackgroundWork {
  const deliveries = createDeliveries(context)
  const rounds = createBackgroundWork({
    name: 'consents',
    everyMs: options.everyMs,
    log: context.log,
    round: async () => {
      await sweep(context)
      await deliveries.begin()
    },
  })
  return {
    start: rounds.start,
    async stop() {
      await rounds.stop()
      await deliveries.settled()
    },
    /** With the calls that it begins: whoever runs one round wants to see what came of it. */
    async runOnce() {
      await rounds.runOnce()
      await deliveries.settled()
    },
  }
}
