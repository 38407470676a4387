import { type BackgroundWork, createBackgroundWork } from '../background.ts'
import type { BrokerContext } from '../context.ts'
import { claimRevocations, finishRevocation, postponeRevocation, purge } from '../store/issued-tokens.ts'
import { retryDelayMs } from './retry-delay.ts'
import { endOneAtProvider, revocationClaimMs } from './revoke-tokens.ts'

/** Attempts at the provider before a token is left to its own end. */
const maxAttempts = 10

/**
 * Every few seconds takes the tokens that are due: leases that a ceiling cut short, tokens of a removed attachment,
 * and those a provider did not end at the first try. Any number of replicas may run it; each token is claimed by one.
 */
export function createRevocationWork(
  context: BrokerContext,
  options: { readonly everyMs: number },
): BackgroundWork {
  async function round(): Promise<void> {
    const now = context.now()
    const claimed = await claimRevocations(context.db, { now, claimMs: revocationClaimMs, limit: 100 })
    for (const token of claimed) {
      // One that can't even be opened must not keep the others from their turn.
      const outcome = await endOneAtProvider(context, token).catch(() => 'failed' as const)
      const again = outcome === 'failed' && token.revoke_attempts < maxAttempts
      if (again)
        await postponeRevocation(context.db, token.id, context.now() + retryDelayMs(token.revoke_attempts))
      else await finishRevocation(context.db, [token.id])
      await context.audit.append({
        kind: 'token_ended_at_provider',
        actor: { type: 'broker' },
        projectId: token.project_id,
        environment: token.environment,
        connectorId: token.connector_id,
        tokenId: token.id,
        tokenDigest: token.facts.digest,
        details: { outcome, attempt: token.revoke_attempts, final: !again },
      })
    }
    await purge(context.db, now)
  }

  return createBackgroundWork({ name: 'revocation', everyMs: options.everyMs, log: context.log, round })
}
