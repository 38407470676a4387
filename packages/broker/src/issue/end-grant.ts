import type { BrokerContext } from '../context.ts'
import { findConnectorEvenRemoved } from '../store/connectors.ts'
import { isAccountInUse, noteGrantEnding, readEnding } from '../store/grant-ending.ts'
import type { GrantRow } from '../store/schema.ts'
import { openSettings } from './connector-settings.ts'
import { openCredential } from './grant-credential.ts'
import { type EndingOutcome, faultName, providerAccess } from './provider-call.ts'
import { retryDelayMs } from './retry-delay.ts'

/** Attempts in the background before a grant is left to its own end at its provider. */
const maxAttempts = 10

/**
 * Ends a claimed grant at its provider, notes what came of it, and has it audited. What failed is tried again in the
 * background: at once after the call of the revocation itself, then later and later.
 *
 * @returns `unsupported` also where nothing is to be sent any more, `failed` also where another has it to do.
 */
export async function endClaimedGrant(context: BrokerContext, grant: GrantRow): Promise<EndingOutcome> {
  const outcome = await endGrantAtProvider(context, grant)
  if (outcome === 'over') return 'unsupported'
  if (outcome === 'elsewhere') return 'failed'
  const attempt = grant.revoke_attempts
  const again = outcome === 'failed' && attempt < maxAttempts
  const retryAt = again ? context.now() + (attempt === 0 ? 0 : retryDelayMs(attempt)) : null
  const final = await noteGrantEnding(context.db, grant, outcome, retryAt)
  await context.audit.append({
    kind: 'grant_ended_at_provider',
    actor: { type: 'broker' },
    projectId: grant.project_id,
    environment: grant.environment,
    connectorId: grant.connector_id,
    details: { grant: grant.id, outcome, attempt, final },
  })
  return outcome
}

/** Never throws. */
async function endGrantAtProvider(
  context: BrokerContext,
  grant: GrantRow,
): Promise<EndingOutcome | 'elsewhere' | 'over'> {
  const connector = await findConnectorEvenRemoved(context.db, grant.connector_id).catch(
    () => 'away' as const,
  )
  if (connector === 'away') return 'failed'
  const driver = connector === undefined ? undefined : context.findDriver(connector.service)
  if (connector === undefined || driver?.consent?.endGrant === undefined) return 'unsupported'
  try {
    const settings = openSettings(context.keyRing, connector)
    const credential = openCredential(context.keyRing, grant)
    // Only now, after the settings were read: a change of where they lead takes back all that waits to be ended, in the
    // same transaction. What still waits was made for the settings that were read.
    const state = await readEnding(context.db, grant)
    if (state !== 'ours') return state
    const outcome = await driver.consent.endGrant(settings, credential, providerAccess(context), {
      accountInUse: await isAccountInUse(context.db, grant),
    })
    context.metrics.providerCall(driver.service, 'revoke', 'ok')
    return outcome === 'unsupported' ? 'unsupported' : 'revoked'
  } catch (error) {
    context.metrics.providerCall(driver.service, 'revoke', 'fault')
    context.log('warn', 'a grant could not be ended at its provider', {
      service: driver.service,
      fault: faultName(error),
    })
    return 'failed'
  }
}
