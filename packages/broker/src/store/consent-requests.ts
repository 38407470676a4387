import type { ConsentStatus } from '@valetkey/protocol'
import { type Kysely, sql, type Transaction, type Updateable } from 'kysely'
import { errorCode } from './database-unreachable.ts'
import { active } from './grant-states.ts'
import { newId } from './ids.ts'
import type {
  ConnectorRow,
  ConsentRequestRow,
  ConsentRequestTable,
  NewConsentRequest,
  Schema,
} from './schema.ts'
import { queueDelivery } from './webhook-deliveries.ts'

/** Stores a new request; false when its device code is one that another request waits for. */
export async function addConsentRequest(db: Kysely<Schema>, row: NewConsentRequest): Promise<boolean> {
  try {
    await db.insertInto('consent_requests').values(row).execute()
    return true
  } catch (error) {
    // unique_violation; ids and states have too many bits for one.
    if (errorCode(error) === '23505' && row.device_code_hash != null) return false
    throw error
  }
}

export function readConsentRequest(db: Kysely<Schema>, id: string): Promise<ConsentRequestRow | undefined> {
  return db.selectFrom('consent_requests').selectAll().where('id', '=', id).executeTakeFirst()
}

/** A request that nobody else changes before this transaction ends. */
export function lockConsentRequest(
  transaction: Transaction<Schema>,
  id: string,
): Promise<ConsentRequestRow | undefined> {
  return transaction
    .selectFrom('consent_requests')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
}

/**
 * As {@link lockConsentRequest}, for making a grant: the attachment first, in the order in which whoever ends grants
 * and requests together locks them.
 */
export async function lockForGrant(
  transaction: Transaction<Schema>,
  id: string,
): Promise<ConsentRequestRow | undefined> {
  await transaction
    .selectFrom('attachments')
    .select('id')
    .where('id', '=', (expression) =>
      expression.selectFrom('consent_requests').select('attachment_id').where('consent_requests.id', '=', id),
    )
    .forNoKeyUpdate()
    .execute()
  return lockConsentRequest(transaction, id)
}

/** A request with what it is about, as far as that still is. */
export interface ConsentWithParties {
  readonly row: ConsentRequestRow
  readonly projectName: string
  /** Absent when it was removed. */
  readonly connector: ConnectorRow | undefined
  /** The attachment under which it was begun is still there, and still has the same owner. */
  readonly attached: boolean
}

/** What a request is about; reads it anew, because it may have been detached since. */
export async function readParties(db: Kysely<Schema>, row: ConsentRequestRow): Promise<ConsentWithParties> {
  const connector = await db
    .selectFrom('connectors')
    .selectAll()
    .where('id', '=', row.connector_id)
    .where('removed_at', 'is', null)
    .executeTakeFirst()
  const project = await db
    .selectFrom('projects')
    .select('name')
    .where('id', '=', row.project_id)
    .executeTakeFirst()
  return {
    row,
    connector,
    projectName: project?.name ?? '',
    attached: await isAttached(db, row),
  }
}

/** The version of a connector's settings, removed or not. */
export async function connectorVersion(db: Kysely<Schema>, id: string): Promise<number | undefined> {
  const row = await db.selectFrom('connectors').select('version').where('id', '=', id).executeTakeFirst()
  return row?.version
}

/** Whether the attachment of a request is still there, with the same owner. */
export async function isAttached(
  db: Kysely<Schema>,
  row: Pick<ConsentRequestRow, 'attachment_id' | 'connector_id' | 'owner'>,
): Promise<boolean> {
  const found = await db
    .selectFrom('attachments')
    .select('id')
    .where('id', '=', row.attachment_id)
    .where('connector_id', '=', row.connector_id)
    .where('owner', '=', row.owner)
    .executeTakeFirst()
  return found !== undefined
}

/** What a subject granted its owner before, by all grants that still answer. */
export async function findGrantedScopes(
  db: Kysely<Schema>,
  of: {
    readonly connectorId: string
    readonly owner: string
    readonly issuer: string
    readonly userId: string
    /** Absent: the default one. */
    readonly installationId: string | undefined
  },
): Promise<readonly string[]> {
  let query = db
    .selectFrom('grants')
    .select('scopes')
    .where('connector_id', '=', of.connectorId)
    .where('owner', '=', of.owner)
    .where('kind', '=', 'user')
    .where('issuer', '=', of.issuer)
    .where('user_id', '=', of.userId)
    .where('state', '=', active)
  query =
    of.installationId === undefined
      ? query.where('is_default', '=', true)
      : query.where('installation_id', '=', of.installationId)
  return (await query.executeTakeFirst())?.scopes ?? []
}

/** Whether so many sign-ins of a connector wait for somebody. Reads no more rows than that. */
export async function hasOpenSignIns(
  db: Kysely<Schema>,
  of: { readonly connectorId: string; readonly count: number; readonly now: number },
): Promise<boolean> {
  const last = await db
    .selectFrom('consent_requests')
    .select('id')
    .where('connector_id', '=', of.connectorId)
    .where('kind', '=', 'sign_in')
    .where('status', '=', 'pending')
    .where('expires_at', '>', of.now)
    .offset(of.count - 1)
    .limit(1)
    .executeTakeFirst()
  return last !== undefined
}

/** Takes a device code out of use, and notes which browser it was typed into; returns the request's id. */
export async function takeDeviceCode(
  db: Kysely<Schema>,
  entry: { readonly codeHash: string; readonly browserHash: string; readonly now: number },
): Promise<string | undefined> {
  const row = await db
    .updateTable('consent_requests')
    .set({ device_code_hash: null, entered_by: 'device', browser_hash: entry.browserHash })
    .where('device_code_hash', '=', entry.codeHash)
    .where('status', '=', 'pending')
    .where('expires_at', '>', entry.now)
    .returning('id')
    .executeTakeFirst()
  return row?.id
}

/** Notes which browser was sent to the provider with which state. False when the request is no longer pending. */
export async function noteLeaving(
  db: Kysely<Schema>,
  id: string,
  leaving: {
    readonly browserHash: string
    readonly enteredBy: ConsentRequestRow['entered_by']
    readonly stateHash: string
    readonly pending: string
    readonly now: number
  },
): Promise<boolean> {
  const updated = await db
    .updateTable('consent_requests')
    .set({
      browser_hash: leaving.browserHash,
      state_hash: leaving.stateHash,
      pending: leaving.pending,
      entered_by: leaving.enteredBy,
    })
    .where('id', '=', id)
    .where('status', '=', 'pending')
    .where('expires_at', '>', leaving.now)
    .executeTakeFirst()
  return updated.numUpdatedRows === 1n
}

/**
 * Takes a state out of use and returns its request: of any number of callbacks with one state, one goes on. A state at
 * the callback of another connector is none.
 */
export function takeState(
  db: Kysely<Schema>,
  of: { readonly connectorId: string; readonly stateHash: string },
): Promise<ConsentRequestRow | undefined> {
  return db
    .updateTable('consent_requests')
    .set({ state_hash: null })
    .where('state_hash', '=', of.stateHash)
    .where('connector_id', '=', of.connectorId)
    .returningAll()
    .executeTakeFirst()
}

/** What a request comes to, beside its status. */
export interface Settlement {
  readonly status: Exclude<ConsentStatus, 'pending'>
  readonly error?: { readonly code: string; readonly message: string }
  readonly columns?: Updateable<ConsentRequestTable>
  readonly now: number
}

/**
 * Changes the status of a request that this transaction has locked, and queues what its webhook is to be told: both
 * happen, or neither does. Nothing that could lead back to it stays usable.
 */
export async function settle(
  transaction: Transaction<Schema>,
  row: Pick<ConsentRequestRow, 'id' | 'webhook_url'>,
  settlement: Settlement,
): Promise<void> {
  const { status, error, now } = settlement
  await transaction
    .updateTable('consent_requests')
    .set({
      status,
      error_code: error?.code ?? null,
      error_message: error?.message ?? null,
      state_hash: null,
      pending: null,
      device_code_hash: null,
      ...(status === 'consented' ? {} : { credential: null, code_hash: null }),
      ...settlement.columns,
    })
    .where('id', '=', row.id)
    .execute()
  if (row.webhook_url === null) return
  const body = { request: row.id, status, ...(error === undefined ? {} : { error }) }
  await queueDelivery(transaction, {
    requestId: row.id,
    url: row.webhook_url,
    body: JSON.stringify(body),
    now,
  })
}

export async function countTry(transaction: Transaction<Schema>, id: string): Promise<void> {
  await transaction
    .updateTable('consent_requests')
    .set({ tries: sql<number>`tries + 1` })
    .where('id', '=', id)
    .execute()
}

/** What was granted and will never be used; it waits to be ended at the provider. */
export interface UnusedGrant {
  readonly identity: object
  readonly scopes: readonly string[]
  readonly installationId: string
  readonly now: number
  /** Encrypts the credential for the place it gets. */
  readonly seal: (place: UnusedPlace) => string
}

/** Where {@link keepForEnding} puts a credential. */
export interface UnusedPlace {
  readonly id: string
  readonly connector_id: string
  readonly owner: string
  readonly project_id: string
  readonly environment: string
  readonly kind: 'user' | 'installation'
  readonly issuer: string
  readonly user_id: string
  readonly installation_id: string
  readonly credential_version: number
}

/** Keeps a credential that nobody may use as a grant that has ended, so that it is ended at the provider too. */
export async function keepForEnding(
  transaction: Transaction<Schema>,
  row: ConsentRequestRow,
  unused: UnusedGrant,
): Promise<void> {
  const { now } = unused
  const place: UnusedPlace = {
    id: newId('grt'),
    connector_id: row.connector_id,
    owner: row.owner,
    project_id: row.project_id,
    environment: row.environment,
    kind: row.kind === 'install' ? 'installation' : 'user',
    issuer: row.issuer,
    user_id: row.user_id,
    installation_id: unused.installationId,
    credential_version: 1,
  }
  await transaction
    .insertInto('grants')
    .values({
      ...place,
      is_default: false,
      state: 'ended',
      identity: JSON.stringify(unused.identity),
      scopes: JSON.stringify(unused.scopes),
      credential: unused.seal(place),
      refreshable: false,
      access_expires_at: null,
      obtained_at: now,
      last_used_at: null,
      lease_holder: null,
      lease_until: null,
      created_at: now,
      updated_at: now,
      ended_at: now,
      revoke_at: now,
      revoke_outcome: null,
    })
    .execute()
}

/**
 * A few requests that can come to nothing any more: their time or that of their code is over, or their attachment is
 * gone or has another owner. Nothing is locked: whoever ends one looks again.
 */
export async function findOverdue(
  db: Kysely<Schema>,
  input: { readonly now: number; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('consent_requests as r')
    .select('r.id')
    .where('r.status', 'in', ['pending', 'consented'])
    .where(
      sql<boolean>`(case when r.status = 'consented' then coalesce(r.code_expires_at, r.expires_at) else r.expires_at end
          <= ${input.now}::bigint
        or not exists (select from attachments a
          where a.id = r.attachment_id and a.connector_id = r.connector_id and a.owner = r.owner))`,
    )
    .orderBy('r.expires_at')
    .limit(input.limit)
    .execute()
  return rows.map((row) => row.id)
}

/**
 * Forgets requests that have been over for `keepMs`; sign-ins that nobody followed to the provider as soon as their time
 * is over, because anybody can begin one and nobody can ask what became of it.
 */
export async function purgeConsentRequests(db: Kysely<Schema>, now: number, keepMs: number): Promise<void> {
  await db
    .deleteFrom('consent_requests')
    .where('expires_at', '<=', now)
    .where('kind', '=', 'sign_in')
    .where('browser_hash', 'is', null)
    .where('status', 'in', ['pending', 'expired'])
    .execute()
  await db
    .deleteFrom('consent_requests')
    .where('expires_at', '<', now - keepMs)
    .where('status', 'not in', ['pending', 'consented'])
    .execute()
}
