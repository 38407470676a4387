import type { ConsentFinished, GrantCredential, GrantIdentity } from '@valetkey/connectors'
import type { Transaction } from 'kysely'
import { sealCredential } from '../issue/grant-credential.ts'
import type { KeyRing } from '../secrets/key-ring.ts'
import { open, seal } from '../secrets/seal.ts'
import { type ConsentPlace, consentContext } from '../secrets/sealed-columns.ts'
import { keepForEnding } from '../store/consent-requests.ts'
import { type GrantToKeep, keepGrant } from '../store/grants.ts'
import type { ConsentRequestRow, Schema } from '../store/schema.ts'

/** What a provider gave for a request: the credential, and who consented. */
export interface Granted {
  readonly credential: GrantCredential
  readonly identity: GrantIdentity
}

/** Encrypts what a provider gave for one request, until it is completed. */
export function sealGranted(keyRing: KeyRing, row: ConsentPlace, granted: Granted): string {
  const { credential, identity } = granted
  return seal(keyRing, consentContext(row, 'credential'), JSON.stringify({ credential, identity }))
}

/** What a provider gave, in the clear; undefined when the request holds nothing. @throws {SealBroken | KeyMissing} */
export function openGranted(
  keyRing: KeyRing,
  row: ConsentPlace & Pick<ConsentRequestRow, 'credential'>,
): Granted | undefined {
  if (row.credential === null) return undefined
  // Whoever sealed it sealed these.
  const granted: Pick<ConsentFinished, 'credential' | 'identity'> = JSON.parse(
    open(keyRing, consentContext(row, 'credential'), row.credential),
  )
  return granted
}

/**
 * Makes a grant of what a provider gave; returns its id. Undefined when the attachment is gone or has another owner:
 * then there is no grant, and the caller sees to {@link abandon}.
 */
export function makeGrant(
  keyRing: KeyRing,
  transaction: Transaction<Schema>,
  row: ConsentRequestRow,
  granted: Granted,
  options: { readonly refreshes: boolean; readonly now: number },
): Promise<string | undefined> {
  const { credential, identity } = granted
  const kind = row.kind === 'install' ? 'installation' : 'user'
  const installationId = identity.installationId ?? ''
  const grant: GrantToKeep = {
    key: {
      connectorId: row.connector_id,
      owner: row.owner,
      kind,
      issuer: row.issuer,
      userId: row.user_id,
      installationId,
    },
    projectId: row.project_id,
    environment: row.environment,
    identity,
    scopes: credential.granted.scopes,
    refreshable: options.refreshes && credential.refreshToken !== undefined,
    accessExpiresAt: credential.accessExpiresAtMs,
    now: options.now,
    seal: (place) =>
      sealCredential(
        keyRing,
        {
          ...place,
          connector_id: row.connector_id,
          owner: row.owner,
          kind,
          issuer: row.issuer,
          user_id: row.user_id,
          installation_id: installationId,
        },
        credential,
      ),
  }
  return keepGrant(transaction, row.attachment_id, grant)
}

/** Keeps what nobody may use for the background worker, which ends it at the provider. */
export function abandon(
  keyRing: KeyRing,
  transaction: Transaction<Schema>,
  row: ConsentRequestRow,
  granted: Granted,
  now: number,
): Promise<void> {
  return keepForEnding(transaction, row, {
    identity: granted.identity,
    scopes: granted.credential.granted.scopes,
    installationId: granted.identity.installationId ?? '',
    now,
    seal: (place) => sealCredential(keyRing, place, granted.credential),
  })
}
