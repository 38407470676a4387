import type { GrantIdentity, GrantKind } from '@valetkey/connectors'
import { type Kysely, sql, type Transaction } from 'kysely'
import { endGrants, lockAttachments } from './grant-ending.ts'
import { ended } from './grant-states.ts'
import { newId } from './ids.ts'
import type { AttachmentRow, GrantRow, Schema } from './schema.ts'

/** Whose grant it is. */
export interface GrantKey {
  readonly connectorId: string
  readonly owner: string
  readonly kind: GrantKind
  /** Empty where nobody was named, and for installations. */
  readonly issuer: string
  readonly userId: string
  /** Empty where the provider has none. */
  readonly installationId: string
}

/** Issuer, user id and installation id share an index, whose entries have an end. */
export const maxGrantNameBytes = 2_000

/** What becomes a grant. */
export interface GrantToKeep {
  readonly key: GrantKey
  readonly projectId: string
  readonly environment: string
  readonly identity: GrantIdentity
  readonly scopes: readonly string[]
  readonly refreshable: boolean
  readonly accessExpiresAt: number | null
  readonly now: number
  /** Encrypts the credential for the place it gets. */
  readonly seal: (place: Pick<GrantRow, 'id' | 'project_id' | 'environment' | 'credential_version'>) => string
}

/**
 * Keeps a grant for an attachment, in place of the one that its owner has for the same person and tenant; returns its
 * id. Undefined when the attachment is gone or is no longer of this owner: a detachment meanwhile has the last word.
 *
 * Runs in the caller's transaction, after the lock on the attachment that every revocation takes first.
 */
export async function keepGrant(
  transaction: Transaction<Schema>,
  attachmentId: string,
  grant: GrantToKeep,
): Promise<string | undefined> {
  const { key, now } = grant
  const attachment = await lockAttachment(transaction, attachmentId)
  if (attachment?.owner !== key.owner || attachment.connector_id !== key.connectorId) return undefined
  const others = await transaction
    .selectFrom('grants')
    .select([
      'id',
      'installation_id',
      'project_id',
      'environment',
      'credential_version',
      'is_default',
      'identity',
    ])
    .where('connector_id', '=', key.connectorId)
    .where('owner', '=', key.owner)
    .where('kind', '=', key.kind)
    .where('issuer', '=', key.issuer)
    .where('user_id', '=', key.userId)
    .where('state', '<>', ended)
    .forUpdate()
    .execute()
  if (key.kind === 'installation') await noteInstallation(transaction, key)
  const same = others.find((other) => other.installation_id === key.installationId)
  const before = same !== undefined && isSameAccount(same.identity, grant.identity) ? same : undefined
  if (same !== undefined && before === undefined) {
    // Another account of the same person: the one before is of no use here any more, and must not live on there.
    const moments = { now, revokeAt: now }
    await endGrants(transaction, { connectorId: key.connectorId, grantId: same.id }, moments)
  }
  const changes = {
    state: 'active' as const,
    identity: JSON.stringify(grant.identity),
    scopes: JSON.stringify(grant.scopes),
    refreshable: grant.refreshable,
    access_expires_at: grant.accessExpiresAt,
    obtained_at: now,
    updated_at: now,
    refresh_attempts: 0,
    refresh_retry_at: null,
  }
  if (before !== undefined) {
    const place = { ...before, credential_version: before.credential_version + 1 }
    await transaction
      .updateTable('grants')
      .set((expression) => ({
        ...changes,
        credential: grant.seal(place),
        credential_version: place.credential_version,
        // Whoever refreshes the credential before this one must not store its outcome over it.
        lease_version: expression('lease_version', '+', 1),
        lease_holder: null,
        lease_until: null,
      }))
      .where('id', '=', before.id)
      .execute()
    return before.id
  }
  const place = {
    id: newId('grt'),
    project_id: grant.projectId,
    environment: grant.environment,
    credential_version: 1,
  }
  await transaction
    .insertInto('grants')
    .values({
      ...changes,
      ...place,
      connector_id: key.connectorId,
      owner: key.owner,
      kind: key.kind,
      issuer: key.issuer,
      user_id: key.userId,
      installation_id: key.installationId,
      is_default: same?.is_default === true || !others.some((other) => other.is_default),
      credential: grant.seal(place),
      last_used_at: null,
      lease_holder: null,
      lease_until: null,
      created_at: now,
      ended_at: null,
      revoke_at: null,
      revoke_outcome: null,
    })
    .execute()
  return place.id
}

/** A provider that does not say who consented leaves nothing to compare. */
function isSameAccount(before: GrantIdentity, after: GrantIdentity): boolean {
  const differs = (one: string | undefined, other: string | undefined) =>
    one !== undefined && other !== undefined && one !== other
  return !differs(before.externalSubject, after.externalSubject) && !differs(before.tenantId, after.tenantId)
}

async function noteInstallation(transaction: Transaction<Schema>, key: GrantKey): Promise<void> {
  await transaction
    .updateTable('attachments')
    // What the app's own key minted before is not served for the installation that is the default now.
    .set({ installs: true, version: sql<number>`version + 1` })
    .where('connector_id', '=', key.connectorId)
    .where('owner', '=', key.owner)
    .where('installs', '=', false)
    .execute()
}

/** Whether an installation was made for somebody else's attachments, and not for this owner's. */
export async function isInstalledElsewhere(
  db: Kysely<Schema>,
  of: { readonly connectorId: string; readonly owner: string; readonly installationId: string },
): Promise<boolean> {
  const rows = await db
    .selectFrom('grants')
    .select('owner')
    .distinct()
    .where('connector_id', '=', of.connectorId)
    .where('kind', '=', 'installation')
    .where('installation_id', '=', of.installationId)
    .where('state', '<>', ended)
    .execute()
  return rows.length > 0 && rows.every((row) => row.owner !== of.owner)
}

/** Locked against revocations, which lock it for update; consents of one attachment take turns. */
function lockAttachment(transaction: Transaction<Schema>, id: string): Promise<AttachmentRow | undefined> {
  return transaction
    .selectFrom('attachments')
    .selectAll()
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
}

export function readGrant(db: Kysely<Schema>, id: string): Promise<GrantRow | undefined> {
  return db.selectFrom('grants').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Makes one grant the one that is chosen when a request names no installation. */
export async function makeDefault(db: Kysely<Schema>, connectorId: string, id: string): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    const grant = await transaction
      .selectFrom('grants')
      .selectAll()
      .where('id', '=', id)
      .where('connector_id', '=', connectorId)
      .where('state', '<>', ended)
      .executeTakeFirst()
    if (grant === undefined) return false
    await lockAttachments(transaction, { connectorId, owner: grant.owner })
    await transaction
      .updateTable('grants')
      .set({ is_default: sql<boolean>`id = ${id}` })
      .where('connector_id', '=', grant.connector_id)
      .where('owner', '=', grant.owner)
      .where('kind', '=', grant.kind)
      .where('issuer', '=', grant.issuer)
      .where('user_id', '=', grant.user_id)
      .where('state', '<>', ended)
      .execute()
    // What was minted for the default before is not served for the new one.
    await transaction
      .updateTable('attachments')
      .set({ version: sql<number>`version + 1` })
      .where('connector_id', '=', grant.connector_id)
      .where('owner', '=', grant.owner)
      .execute()
    return true
  })
}
