import type { BrokerContext } from '../context.ts'
import { claimRevocations, finishRevocation, postponeRevocation, purge } from '../store/issued-tokens.ts'
import { faultName } from './provider-call.ts'
import { endOneAtProvider, revocationClaimMs } from './revoke-tokens.ts'

/** Attempts at the provider before a token is left to its own end. */
const maxAttempts = 10

/** Ends in the background what must be ended at a provider, and forgets what is over. */
export interface RevocationWorker {
  start(): void
  /** Waits for the round under way. */
  stop(): Promise<void>
  /** One round; what the timer calls. */
  runOnce(): Promise<void>
}

/**
 * Every few seconds takes the tokens that are due: leases that a ceiling cut short, tokens of a removed attachment,
 * and those a provider did not end at the first try. Any number of replicas may run it; each token is claimed by one.
 */
export function createRevocationWorker(
  context: BrokerContext,
  options: { readonly everyMs: number },
): RevocationWorker {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  async function runOnce(): Promise<void> {
    const now = context.now()
    const claimed = await claimRevocations(context.db, { now, claimMs: revocationClaimMs, limit: 100 })
    for (const token of claimed) {
      // One that can't even be opened must not keep the others from their turn.
      const outcome = await endOneAtProvider(context, token).catch(() => 'failed' as const)
      const given = outcome === 'failed' && token.revoke_attempts < maxAttempts
      if (given)
        await postponeRevocation(context.db, token.id, context.now() + backoffMs(token.revoke_attempts))
      else await finishRevocation(context.db, [token.id])
      await context.audit.append({
        kind: 'token_ended_at_provider',
        actor: { type: 'broker' },
        projectId: token.project_id,
        environment: token.environment,
        connectorId: token.connector_id,
        tokenId: token.id,
        tokenDigest: token.facts.digest,
        details: { outcome, attempt: token.revoke_attempts, final: !given },
      })
    }
    await purge(context.db, now)
  }

  function tick(): void {
    if (running !== undefined) return
    running = runOnce()
      .catch((error: unknown) => {
        // The database may be away for a while; what is due stays due.
        context.log('warn', 'the revocation worker could not finish its round', { fault: faultName(error) })
      })
      .finally(() => {
        running = undefined
      })
  }

  return {
    start() {
      timer = setInterval(tick, options.everyMs)
      timer.unref()
    },
    async stop() {
      clearInterval(timer)
      await running
    },
    runOnce,
  }
}

/** 10 s, 20 s, 40 s … at most an hour. */
function backoffMs(attempts: number): number {
  return Math.min(10_000 * 2 ** Math.max(0, attempts - 1), 3_600_000)
}
