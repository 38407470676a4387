import { type BackgroundWork, createBackgroundWork } from '../background.ts'
import type { BrokerContext } from '../context.ts'
import { findConnector } from '../store/connectors.ts'
import { claimEndedGrants, purgeGrants } from '../store/grant-ending.ts'
import { findDueForRefresh, postponeRefresh } from '../store/grant-lease.ts'
import type { GrantRow } from '../store/schema.ts'
import { endClaimedGrant } from './end-grant.ts'
import { fewAtATime } from './few-at-a-time.ts'
import { faultName } from './provider-call.ts'
import { refreshGrant } from './refresh-grant.ts'
import { retryDelayMs } from './retry-delay.ts'
import { revocationClaimMs } from './revoke-tokens.ts'

/** A grant in use is refreshed so long before its token ends: a fifth of its life, at most this. */
const aheadMs = 300_000

/** Grants refreshed in one round; others wait for the next, or for whoever asks. */
const refreshesPerRound = 50

/** Calls under way: a provider that hangs holds up its own connector and leaves room for others. */
const calls = { atOnce: 8, atOncePerKey: 4, keyOf: (grant: GrantRow) => grant.connector_id }

/** Claimed at a time: four at once, ten seconds each at most, all have their turn before their claim is over. */
const endingsPerClaim = 20
const claimsPerRound = 5

/** An ended grant is listed for so long after it has ended at its provider too. */
const keepEndedMs = 7 * 86_400_000

interface GrantWorkOptions {
  readonly everyMs: number
}

/**
 * Refreshes grants in use before their tokens end, so that nobody waits for it; ends revoked grants at their provider,
 * and forgets them. The two take no turns: neither waits for the other's provider. Any number of replicas may run it:
 * each grant is refreshed under its lease and ended under a claim.
 */
export function createGrantWork(context: BrokerContext, options: GrantWorkOptions): BackgroundWork {
  const works = [createGrantEndings(context, options), createGrantRefreshes(context, options)]
  return {
    start() {
      for (const work of works) work.start()
    },
    async stop() {
      await Promise.all(works.map((work) => work.stop()))
    },
    async runOnce() {
      for (const work of works) await work.runOnce()
    },
  }
}

function createGrantEndings(context: BrokerContext, options: GrantWorkOptions): BackgroundWork {
  async function endAtProviders(): Promise<void> {
    for (let claims = 0; claims < claimsPerRound; claims++) {
      const claimed = await claimEndedGrants(context.db, {
        now: context.now(),
        claimMs: revocationClaimMs,
        limit: endingsPerClaim,
      })
      await fewAtATime(claimed, calls, async (grant) => {
        try {
          await endClaimedGrant(context, grant)
        } catch (error) {
          // It stays claimed, and comes again when the claim is over.
          logFault(context, 'an ended grant could not be dealt with', grant, error)
        }
      })
      if (claimed.length < endingsPerClaim) break
    }
    await purgeGrants(context.db, context.now(), keepEndedMs)
  }

  return createBackgroundWork({
    name: 'grant endings',
    everyMs: options.everyMs,
    log: context.log,
    round: endAtProviders,
  })
}

function createGrantRefreshes(context: BrokerContext, options: GrantWorkOptions): BackgroundWork {
  async function noteUses(): Promise<void> {
    try {
      await context.grantsInUse.flush(context.now())
    } catch (error) {
      context.log('warn', 'the use of grants could not be noted', { fault: faultName(error) })
    }
  }

  async function refreshAhead(): Promise<void> {
    const due = await findDueForRefresh(context.db, {
      now: context.now(),
      aheadMs,
      limit: refreshesPerRound,
    })
    await fewAtATime(due, calls, async (grant) => {
      try {
        if (await isRefreshed(grant)) return
        // A refusal is the next caller's to hear; here it only means that nothing was gained.
        const attempts = grant.refresh_attempts + 1
        await postponeRefresh(context.db, grant, attempts, context.now() + retryDelayMs(attempts))
      } catch (error) {
        logFault(context, 'a refresh ahead could not be noted', grant, error)
      }
    })
  }

  async function isRefreshed(grant: GrantRow): Promise<boolean> {
    try {
      const connector = await findConnector(context.db, grant.connector_id)
      const driver = connector === undefined ? undefined : context.findDriver(connector.service)
      return driver !== undefined && (await refreshGrant(context, driver, grant)).ok
    } catch (error) {
      // One that can't even be opened must not keep the others from their turn.
      logFault(context, 'a grant could not be refreshed ahead', grant, error)
      return false
    }
  }

  return createBackgroundWork({
    name: 'grant refreshes',
    everyMs: options.everyMs,
    log: context.log,
    round: async () => {
      await noteUses()
      await refreshAhead()
    },
  })
}

function logFault(context: BrokerContext, message: string, grant: GrantRow, error: unknown): void {
  context.log('warn', message, { grant: grant.id, fault: faultName(error) })
}
