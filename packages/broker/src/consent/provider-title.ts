import type { Driver } from '@valetkey/connectors'
import type { ConnectorRow } from '../store/schema.ts'

/** What a connector's provider is called to people: of a driver for many servers, the server. */
export function providerTitle(driver: Driver, connector: Pick<ConnectorRow, 'configuration'>): string {
  return driver.consent?.titleOf?.(connector.configuration) ?? driver.title
}
