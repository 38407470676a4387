import { type Kysely, sql, type Transaction } from 'kysely'
import type { GrantRow, Schema } from './schema.ts'

/** Which grants a revocation is about; what is absent does not narrow it. */
export interface GrantsToEnd {
  readonly connectorId: string
  readonly owner?: string
  readonly kind?: GrantRow['kind']
  readonly issuer?: string
  readonly userId?: string
  readonly installationId?: string
  readonly grantId?: string
}

/**
 * Ends grants: no replica serves them from the moment this commits, and whoever refreshes one of them can't store its
 * outcome. Runs in the caller's transaction, after {@link lockAttachments}.
 *
 * @returns the grants, as they have to be ended at their provider; `revoke_at` is `revokeAt`.
 */
export function endGrants(
  transaction: Transaction<Schema>,
  grants: GrantsToEnd,
  /** `revokeAt` null: it must not be ended at the provider. */
  moments: { readonly now: number; readonly revokeAt: number | null },
): Promise<GrantRow[]> {
  let update = transaction
    .updateTable('grants')
    .set({
      state: 'ended',
      ended_at: moments.now,
      updated_at: moments.now,
      revoke_at: moments.revokeAt,
      lease_version: sql<number>`lease_version + 1`,
      lease_holder: null,
      lease_until: null,
      is_default: false,
    })
    .where('connector_id', '=', grants.connectorId)
    .where('state', '<>', 'ended')
  if (grants.owner !== undefined) update = update.where('owner', '=', grants.owner)
  if (grants.kind !== undefined) update = update.where('kind', '=', grants.kind)
  if (grants.issuer !== undefined) update = update.where('issuer', '=', grants.issuer)
  if (grants.userId !== undefined) update = update.where('user_id', '=', grants.userId)
  if (grants.installationId !== undefined)
    update = update.where('installation_id', '=', grants.installationId)
  if (grants.grantId !== undefined) update = update.where('id', '=', grants.grantId)
  return update.returningAll().execute()
}

/**
 * Locks the attachments that use an owner's grants (all of the connector without `owner`), in the order in which
 * answers lock theirs, and raises their count of revocations: an answer that was decided before waits for nothing and
 * commits first, or sees the new count and does not leave.
 *
 * @returns the ids of the attachments.
 */
export async function lockAttachments(
  transaction: Transaction<Schema>,
  of: { readonly connectorId: string; readonly owner?: string },
): Promise<readonly string[]> {
  let query = transaction.selectFrom('attachments').select('id').where('connector_id', '=', of.connectorId)
  if (of.owner !== undefined) query = query.where('owner', '=', of.owner)
  const rows = await query.orderBy('id').forUpdate().execute()
  const ids = rows.map((row) => row.id)
  if (ids.length > 0) {
    await transaction
      .updateTable('attachments')
      .set({ revocations: sql<number>`revocations + 1` })
      .where('id', 'in', ids)
      .execute()
  }
  return ids
}

/** Ends the grants of owners whom no attachment of the connector serves any more. After the attachments are gone. */
export function endOrphans(
  transaction: Transaction<Schema>,
  connectorId: string,
  moments: { readonly now: number; readonly revokeAt: number },
): Promise<unknown> {
  return transaction
    .updateTable('grants')
    .set({
      state: 'ended',
      ended_at: moments.now,
      updated_at: moments.now,
      revoke_at: moments.revokeAt,
      lease_version: sql<number>`lease_version + 1`,
      lease_holder: null,
      lease_until: null,
      is_default: false,
    })
    .where('connector_id', '=', connectorId)
    .where('state', '<>', 'ended')
    .where((expression) =>
      expression.not(
        expression.exists(
          expression
            .selectFrom('attachments')
            .select('attachments.id')
            .whereRef('attachments.connector_id', '=', 'grants.connector_id')
            .whereRef('attachments.owner', '=', 'grants.owner'),
        ),
      ),
    )
    .execute()
}

/** Takes a few ended grants that are due to be ended at their provider; each is claimed by one replica. */
export function claimEndedGrants(
  db: Kysely<Schema>,
  input: { readonly now: number; readonly claimMs: number; readonly limit: number },
): Promise<GrantRow[]> {
  return db
    .updateTable('grants')
    .set({ revoke_at: input.now + input.claimMs, revoke_attempts: sql<number>`revoke_attempts + 1` })
    .where('id', 'in', (expression) =>
      expression
        .selectFrom('grants')
        .select('id')
        .where('revoke_at', '<=', input.now)
        .orderBy('revoke_at')
        .limit(input.limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute()
}

/** Notes what came of ending a grant at its provider; `retryAt` null is final. */
export async function noteGrantEnding(
  db: Kysely<Schema>,
  id: string,
  outcome: 'revoked' | 'unsupported' | 'failed',
  retryAt: number | null,
): Promise<void> {
  await db
    .updateTable('grants')
    .set({ revoke_outcome: outcome, revoke_at: retryAt })
    .where('id', '=', id)
    .execute()
}

/**
 * Gives an ended grant the credential that a refresh brought across the revocation: that one has to be ended at the
 * provider, the one before it is of no use there any more.
 */
export async function replaceEndedCredential(
  db: Kysely<Schema>,
  grant: { readonly id: string; readonly credentialVersion: number; readonly credential: string },
  revokeAt: number,
): Promise<boolean> {
  const updated = await db
    .updateTable('grants')
    .set({
      credential: grant.credential,
      credential_version: grant.credentialVersion,
      revoke_at: revokeAt,
      revoke_outcome: null,
    })
    .where('id', '=', grant.id)
    .where('state', '=', 'ended')
    .where('credential_version', '=', grant.credentialVersion - 1)
    .executeTakeFirst()
  return updated.numUpdatedRows === 1n
}

/** Leaves grants that wait to be ended at their provider to their own end there: what is waiting must not be sent. */
export async function forgetEndings(transaction: Transaction<Schema>, connectorId: string): Promise<void> {
  await transaction
    .updateTable('grants')
    .set({ revoke_at: null })
    .where('connector_id', '=', connectorId)
    .where('state', '=', 'ended')
    .execute()
}

/** Forgets grants that are ended everywhere. */
export async function purgeGrants(db: Kysely<Schema>, now: number, keepMs: number): Promise<void> {
  await db
    .deleteFrom('grants')
    .where('state', '=', 'ended')
    .where('revoke_at', 'is', null)
    .where('ended_at', '<', now - keepMs)
    .execute()
}
