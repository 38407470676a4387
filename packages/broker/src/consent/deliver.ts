import type { BrokerContext } from '../context.ts'
import { faultName } from '../issue/provider-call.ts'
import {
  claimDeliveries,
  type DueDelivery,
  dropDelivery,
  postponeDelivery,
} from '../store/webhook-deliveries.ts'
import { signAttestation } from './attestation.ts'

/** Attempts before a webhook is left in the dark; the status can still be asked for. */
const maxAttempts = 10

/** One call: connecting, waiting, the head of the answer. */
const timeoutMs = 10_000

/** Longer than a call takes: nobody else makes the same call meanwhile. */
const claimMs = 60_000

/** Calls that one round begins, that one replica has open at once, and those of them for one project. */
const [perRound, atOnce, perProject] = [20, 60, 4] as const

/** The calls to webhooks of one replica. */
export interface Deliveries {
  /** Begins what is due, a few at a time, and waits for none of it: one that hangs must not keep others from their turn. */
  begin(): Promise<void>
  /** Waits for the calls under way. */
  settled(): Promise<void>
}

export function createDeliveries(context: BrokerContext): Deliveries {
  /** With the project whose call it is. */
  const underWay = new Map<Promise<void>, string>()

  function busy(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const project of underWay.values()) counts[project] = (counts[project] ?? 0) + 1
    return counts
  }

  return {
    async begin() {
      const limit = Math.min(perRound, atOnce - underWay.size)
      if (limit <= 0) return
      const claim = { now: context.now(), claimMs, limit, perProject, busy: busy() }
      for (const delivery of await claimDeliveries(context.db, claim)) {
        const call = deliver(context, delivery)
          // What could not be noted comes again when its claim is over.
          .catch((error: unknown) =>
            context.log('warn', 'what became of a consent webhook could not be noted', {
              request: delivery.request_id,
              fault: faultName(error),
            }),
          )
          .finally(() => underWay.delete(call))
        underWay.set(call, delivery.project_id)
      }
    },
    async settled() {
      await Promise.all(underWay.keys())
    },
  }
}

async function deliver(context: BrokerContext, delivery: DueDelivery): Promise<void> {
  const fault = await attempt(context, delivery)
  if (fault === undefined) return dropDelivery(context.db, delivery.id)
  const last = delivery.attempts >= maxAttempts
  context.log('warn', 'a consent webhook could not be told', {
    request: delivery.request_id,
    attempt: delivery.attempts,
    final: last,
    fault,
  })
  if (last) return dropDelivery(context.db, delivery.id)
  return postponeDelivery(context.db, delivery.id, context.now() + delayMs(delivery.attempts))
}

/** One call; what went wrong, for the log. Nothing of the answer is read but its status. */
async function attempt(context: BrokerContext, delivery: DueDelivery): Promise<string | undefined> {
  try {
    const attestation = await signAttestation(
      context.attestationKey,
      {
        issuer: context.publicUrl,
        project: { id: delivery.project_id, name: delivery.project_name },
        environment: delivery.environment,
        destination: delivery.url,
        connector: { id: delivery.connector_id, uid: delivery.connector_uid },
        request: delivery.request_id,
        body: delivery.body,
      },
      context.now(),
    )
    const response = await context.egress.fetch(delivery.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${attestation}`, 'content-type': 'application/json' },
      body: delivery.body,
      // An attestation is bound to its destination: it goes nowhere else.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    await response.body?.cancel()
    return response.ok ? undefined : `status ${response.status}`
  } catch (error) {
    return faultName(error)
  }
}

/** 5 s, 10 s, 20 s … at most 15 minutes: a request that can be told of lives for a day at most. */
function delayMs(attempts: number): number {
  return Math.min(5_000 * 2 ** Math.max(0, attempts - 1), 900_000)
}
