import { type Kysely, sql, type Transaction } from 'kysely'
import { ended } from './grant-states.ts'
import type { GrantRow, Schema } from './schema.ts'

/** Whether another living grant of the connector is of the same account at the provider. */
export async function isAccountInUse(
  db: Kysely<Schema>,
  grant: Pick<GrantRow, 'connector_id' | 'identity'> & Partial<Pick<GrantRow, 'id'>>,
): Promise<boolean> {
  const { externalSubject, tenantId } = grant.identity
  if (externalSubject === undefined) return false
  const other = await db
    .selectFrom('grants')
    .select('id')
    .where('connector_id', '=', grant.connector_id)
    .where('id', '<>', grant.id ?? '')
    .where('state', '<>', ended)
    .where(sql<string>`identity->>'externalSubject'`, '=', externalSubject)
    .where(sql<string>`coalesce(identity->>'tenantId', '')`, '=', tenantId ?? '')
    .limit(1)
    .executeTakeFirst()
  return other !== undefined
}

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

/** When grants end here, and when they are to be ended at their provider; never there where `revokeAt` is null. */
export interface EndingMoments {
  readonly now: number
  readonly revokeAt: number | null
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
  moments: EndingMoments,
): Promise<GrantRow[]> {
  let update = endLiving(transaction, grants.connectorId, moments)
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
  moments: EndingMoments,
): Promise<unknown> {
  return endLiving(transaction, connectorId, moments)
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

function endLiving(transaction: Transaction<Schema>, connectorId: string, moments: EndingMoments) {
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
    .where('state', '<>', ended)
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

/**
 * Whether an ended grant is still to be ended at its provider by whoever claimed it. `elsewhere`: it has another
 * credential by now, or another claimed it after this claim was over; `over`: nothing is to be sent any more.
 */
export async function readEnding(
  db: Kysely<Schema>,
  claimed: Pick<GrantRow, 'id' | 'credential_version' | 'revoke_at'>,
): Promise<'ours' | 'elsewhere' | 'over'> {
  const row = await db
    .selectFrom('grants')
    .select(['credential_version', 'revoke_at'])
    .where('id', '=', claimed.id)
    .executeTakeFirst()
  if (row === undefined || row.revoke_at === null) return 'over'
  const same = row.credential_version === claimed.credential_version && row.revoke_at === claimed.revoke_at
  return same ? 'ours' : 'elsewhere'
}

/**
 * Notes what came of ending a grant's credential at its provider; `retryAt` null is final. A credential that took its
 * place meanwhile is still to be ended, and what must not be sent any more is not tried again.
 *
 * @returns whether that was the end of it.
 */
export async function noteGrantEnding(
  db: Kysely<Schema>,
  grant: Pick<GrantRow, 'id' | 'credential_version'>,
  outcome: 'revoked' | 'unsupported' | 'failed',
  retryAt: number | null,
): Promise<boolean> {
  const row = await db
    .updateTable('grants')
    .set({
      revoke_outcome: outcome,
      revoke_at: sql<number | null>`case when revoke_at is not null then ${retryAt}::bigint end`,
    })
    .where('id', '=', grant.id)
    .where('credential_version', '=', grant.credential_version)
    .returning('revoke_at')
    .executeTakeFirst()
  return row?.revoke_at === null
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
      revoke_attempts: 0,
      revoke_outcome: null,
    })
    .where('id', '=', grant.id)
    .where('state', '=', ended)
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
    .where('state', '=', ended)
    .where('revoke_at', 'is not', null)
    .execute()
}

/** Forgets grants that are ended everywhere. */
export async function purgeGrants(db: Kysely<Schema>, now: number, keepMs: number): Promise<void> {
  await db
    .deleteFrom('grants')
    .where('state', '=', ended)
    .where('revoke_at', 'is', null)
    .where('ended_at', '<', now - keepMs)
    .execute()
}
