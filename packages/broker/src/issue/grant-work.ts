import { type BackgroundWork, createBackgroundWork } from '../background.ts'
import type { BrokerContext } from '../context.ts'
import { findConnector } from '../store/connectors.ts'
import { claimEndedGrants, noteGrantEnding, purgeGrants } from '../store/grant-ending.ts'
import { findDueForRefresh } from '../store/grant-lease.ts'
import type { GrantRow } from '../store/schema.ts'
import { endGrantAtProvider } from './end-grant.ts'
import { refreshGrant } from './refresh-grant.ts'
import { retryDelayMs } from './retry-delay.ts'
import { revocationClaimMs } from './revoke-tokens.ts'

/** Attempts at the provider before a grant is left to its own end. */
const maxAttempts = 10

/** A grant in use is refreshed so long before its token ends: a fifth of its life, at most this. */
const aheadMs = 300_000

/** Grants refreshed in one round; others wait for the next, or for whoever asks. */
const refreshesPerRound = 50

/** An ended grant is listed for so long after it has ended at its provider too. */
const keepEndedMs = 7 * 86_400_000

/**
 * Refreshes grants in use before their tokens end, so that nobody waits for it; ends revoked grants at their provider,
 * and forgets them. Any number of replicas may run it: each grant is refreshed under its lease and ended under a claim.
 */
export function createGrantWork(
  context: BrokerContext,
  options: { readonly everyMs: number },
): BackgroundWork {
  async function refreshAhead(): Promise<void> {
    const now = context.now()
    const due = await findDueForRefresh(context.db, { before: now + aheadMs, limit: refreshesPerRound })
    for (const grant of due.filter((each) => isDue(each, now))) {
      const connector = await findConnector(context.db, grant.connector_id)
      const driver = connector === undefined ? undefined : context.findDriver(connector.service)
      // A refusal is the next caller's to hear; here it only means that nothing was gained.
      if (driver !== undefined) await refreshGrant(context, driver, grant)
    }
  }

  async function endAtProviders(): Promise<void> {
    const now = context.now()
    const claimed = await claimEndedGrants(context.db, { now, claimMs: revocationClaimMs, limit: 100 })
    for (const grant of claimed) {
      const outcome = await endGrantAtProvider(context, grant)
      const again = outcome === 'failed' && grant.revoke_attempts < maxAttempts
      const retryAt = again ? context.now() + retryDelayMs(grant.revoke_attempts) : null
      await noteGrantEnding(context.db, grant.id, outcome, retryAt)
      await context.audit.append({
        kind: 'grant_ended_at_provider',
        actor: { type: 'broker' },
        projectId: grant.project_id,
        environment: grant.environment,
        connectorId: grant.connector_id,
        details: { grant: grant.id, outcome, attempt: grant.revoke_attempts, final: !again },
      })
    }
    await purgeGrants(context.db, now, keepEndedMs)
  }

  return createBackgroundWork({
    name: 'grants',
    everyMs: options.everyMs,
    log: context.log,
    round: async () => {
      await context.grantsInUse.flush(context.now())
      await endAtProviders()
      await refreshAhead()
    },
  })
}

function isDue(grant: GrantRow, now: number): boolean {
  if (grant.access_expires_at === null) return false
  const ahead = Math.min(aheadMs, (grant.access_expires_at - grant.obtained_at) / 5)
  return grant.access_expires_at - ahead <= now
}
