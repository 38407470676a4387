import type { ConnectorSettings } from '@valetkey/connectors'
import type { KeyRing } from '../secrets/key-ring.ts'
import { open, seal } from '../secrets/seal.ts'
import { connectorSecretsContext } from '../secrets/sealed-columns.ts'
import type { ConnectorRow } from '../store/schema.ts'

/** Encrypts a connector's secrets for one version of its row. */
export function sealSecrets(
  keyRing: KeyRing,
  id: string,
  version: number,
  secrets: ConnectorSettings['secrets'],
): string {
  return seal(keyRing, connectorSecretsContext({ id, version }), JSON.stringify(secrets))
}

/** A connector's settings with its secrets in the clear, for one call of its driver. */
export function openSettings(
  keyRing: KeyRing,
  row: Pick<ConnectorRow, 'id' | 'version' | 'configuration' | 'secrets'>,
): ConnectorSettings {
  const secrets: ConnectorSettings['secrets'] = JSON.parse(
    open(keyRing, connectorSecretsContext(row), row.secrets),
  )
  return { configuration: row.configuration, secrets }
}
