import type { ConnectorSettings } from '@valetkey/connectors'
import type { KeyRing } from '../secrets/key-ring.ts'
import { open, type SealContext, seal } from '../secrets/seal.ts'
import type { ConnectorRow } from '../store/schema.ts'

function sealContext(id: string, version: number): SealContext {
  return { table: 'connectors', column: 'secrets', rowId: id, version, connectorId: id }
}

/** Encrypts a connector's secrets for one version of its row. */
export function sealSecrets(
  keyRing: KeyRing,
  id: string,
  version: number,
  secrets: ConnectorSettings['secrets'],
): string {
  return seal(keyRing, sealContext(id, version), JSON.stringify(secrets))
}

/** A connector's settings with its secrets in the clear, for one call of its driver. */
export function openSettings(
  keyRing: KeyRing,
  row: Pick<ConnectorRow, 'id' | 'version' | 'configuration' | 'secrets'>,
): ConnectorSettings {
  const secrets: ConnectorSettings['secrets'] = JSON.parse(
    open(keyRing, sealContext(row.id, row.version), row.secrets),
  )
  return { configuration: row.configuration, secrets }
}
