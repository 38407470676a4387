import { type Kysely, type RawBuilder, sql } from 'kysely'
import { active } from './grant-states.ts'
import type { GrantRow, Schema } from './schema.ts'

/** The right to refresh one grant, until it ends or is lost. */
export interface GrantLease {
  readonly grantId: string
  /** Grows with every lease: see {@link storeRefreshed}. */
  readonly fence: number
}

/** The clock of leases: that of the database, because those of replicas differ. */
const clock: RawBuilder<number> = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`

/**
 * Takes the lease on a grant whose credential is still the one that was seen. Undefined when another process has it,
 * or the credential has changed: read the grant again.
 *
 * A lease row and not an advisory lock: a refresh takes a call to a provider, and nobody holds a transaction, or a
 * connection of the pool, across that.
 */
export async function takeLease(
  db: Kysely<Schema>,
  grant: { readonly id: string; readonly credentialVersion: number },
  options: { readonly holder: string; readonly leaseMs: number },
): Promise<{ readonly lease: GrantLease; readonly row: GrantRow } | undefined> {
  const row = await db
    .updateTable('grants')
    .set({
      lease_holder: options.holder,
      lease_until: sql<number>`${clock} + ${options.leaseMs}::bigint`,
      lease_version: sql<number>`lease_version + 1`,
    })
    .where('id', '=', grant.id)
    .where('credential_version', '=', grant.credentialVersion)
    .where('state', '=', active)
    .where((expression) =>
      expression.or([expression('lease_until', 'is', null), expression('lease_until', '<=', clock)]),
    )
    .returningAll()
    .executeTakeFirst()
  return row === undefined ? undefined : { lease: { grantId: row.id, fence: row.lease_version }, row }
}

/** Holds a lease for longer. False when it was lost. */
export async function extendLease(db: Kysely<Schema>, lease: GrantLease, leaseMs: number): Promise<boolean> {
  const updated = await db
    .updateTable('grants')
    .set({ lease_until: sql<number>`${clock} + ${leaseMs}::bigint` })
    .where('id', '=', lease.grantId)
    .where('lease_version', '=', lease.fence)
    .executeTakeFirst()
  return updated.numUpdatedRows === 1n
}

/** Gives a lease back; that of a successor stays. */
export async function giveLeaseBack(db: Kysely<Schema>, lease: GrantLease): Promise<void> {
  await db
    .updateTable('grants')
    .set({ lease_holder: null, lease_until: null })
    .where('id', '=', lease.grantId)
    .where('lease_version', '=', lease.fence)
    .execute()
}

/** What a refresh changes. */
export interface RefreshedGrant {
  readonly credential: string
  readonly credentialVersion: number
  readonly scopes: readonly string[]
  readonly refreshable: boolean
  readonly accessExpiresAt: number | null
  readonly now: number
  /** False while the answer of the provider is still being checked: the lease goes on. */
  readonly done: boolean
}

/**
 * Stores what a refresh gave, if the lease still holds: whoever lost it to a successor, or to a revocation, stores
 * nothing.
 */
export async function storeRefreshed(
  db: Kysely<Schema>,
  lease: GrantLease,
  grant: RefreshedGrant,
): Promise<boolean> {
  const updated = await db
    .updateTable('grants')
    .set({
      credential: grant.credential,
      credential_version: grant.credentialVersion,
      scopes: JSON.stringify(grant.scopes),
      refreshable: grant.refreshable,
      access_expires_at: grant.accessExpiresAt,
      obtained_at: grant.now,
      updated_at: grant.now,
      ...(grant.done
        ? { lease_holder: null, lease_until: null, refresh_attempts: 0, refresh_retry_at: null }
        : {}),
    })
    .where('id', '=', lease.grantId)
    .where('lease_version', '=', lease.fence)
    .where('state', '=', active)
    .executeTakeFirst()
  return updated.numUpdatedRows === 1n
}

/** The provider has ended the grant: nobody tries again until there is a new consent. */
export async function markConsentNeeded(
  db: Kysely<Schema>,
  lease: GrantLease,
  now: number,
): Promise<boolean> {
  const updated = await db
    .updateTable('grants')
    .set({ state: 'consent_needed', updated_at: now, lease_holder: null, lease_until: null })
    .where('id', '=', lease.grantId)
    .where('lease_version', '=', lease.fence)
    .where('state', '=', active)
    .executeTakeFirst()
  return updated.numUpdatedRows === 1n
}

/**
 * Notes that grants' present tokens were asked for: grants in use are refreshed ahead of their end.
 *
 * Many rows at once and no lock on their attachments, so it waits for nobody: a row that a revocation, a consent or
 * another replica holds at this moment is left out, and noted again with the next request. Waiting could deadlock with
 * whoever locks the same rows in another order.
 */
export async function noteUse(db: Kysely<Schema>, ids: readonly string[], now: number): Promise<void> {
  if (ids.length === 0) return
  await db
    .updateTable('grants')
    .set({ last_used_at: now })
    .where('id', 'in', (expression) =>
      expression
        .selectFrom('grants')
        .select('id')
        .where('id', 'in', [...ids])
        .orderBy('id')
        .forNoKeyUpdate()
        .skipLocked(),
    )
    .execute()
}

/** Notes that a refresh ahead failed: the next is not before `retryAt`. Only the next success starts over. */
export async function postponeRefresh(
  db: Kysely<Schema>,
  grant: Pick<GrantRow, 'id'>,
  attempts: number,
  retryAt: number,
): Promise<void> {
  await db
    .updateTable('grants')
    .set({ refresh_attempts: attempts, refresh_retry_at: retryAt })
    .where('id', '=', grant.id)
    .where('state', '=', active)
    .execute()
}

/**
 * Grants in use whose access token has a fifth of its life left, at most `aheadMs`, and is not waiting for another
 * try: first those that never failed, then those that end first. So what fails for good takes nobody's turn.
 */
export function findDueForRefresh(
  db: Kysely<Schema>,
  input: { readonly now: number; readonly aheadMs: number; readonly limit: number },
): Promise<GrantRow[]> {
  // The index finds them by the first comparison of `access_expires_at`; the second leaves out short-lived tokens that
  // have time yet, before they count towards the limit.
  return db
    .selectFrom('grants')
    .selectAll()
    .where('state', '=', active)
    .where('refreshable', '=', sql.lit(true))
    .where('access_expires_at', '<=', input.now + input.aheadMs)
    .where(
      sql<boolean>`access_expires_at - least(${input.aheadMs}::bigint, (access_expires_at - obtained_at) / 5) <= ${input.now}`,
    )
    .where((expression) =>
      expression.or([
        expression('refresh_retry_at', 'is', null),
        expression('refresh_retry_at', '<=', input.now),
      ]),
    )
    .whereRef('last_used_at', '>', 'obtained_at')
    .where((expression) =>
      expression.or([expression('lease_until', 'is', null), expression('lease_until', '<=', clock)]),
    )
    .orderBy('refresh_attempts')
    .orderBy('access_expires_at')
    .limit(input.limit)
    .execute()
}
