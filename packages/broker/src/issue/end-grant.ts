import type { BrokerContext } from '../context.ts'
import { findConnectorEvenRemoved } from '../store/connectors.ts'
import type { GrantRow } from '../store/schema.ts'
import { openSettings } from './connector-settings.ts'
import { openCredential } from './grant-credential.ts'
import { type EndingOutcome, faultName, providerAccess } from './provider-call.ts'

/** Ends a grant at its provider. Never throws. */
export async function endGrantAtProvider(context: BrokerContext, grant: GrantRow): Promise<EndingOutcome> {
  const connector = await findConnectorEvenRemoved(context.db, grant.connector_id).catch(
    () => 'away' as const,
  )
  if (connector === 'away') return 'failed'
  const driver = connector === undefined ? undefined : context.findDriver(connector.service)
  if (connector === undefined || driver?.consent?.endGrant === undefined) return 'unsupported'
  try {
    const settings = openSettings(context.keyRing, connector)
    const credential = openCredential(context.keyRing, grant)
    const outcome = await driver.consent.endGrant(settings, credential, providerAccess(context))
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
