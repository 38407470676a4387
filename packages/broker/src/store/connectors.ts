import { type Kysely, sql, type Transaction } from 'kysely'
import { settle } from './consent-requests.ts'
import { errorCode } from './database-unreachable.ts'
import { endGrants, forgetEndings, lockAttachments } from './grant-ending.ts'
import { cutPage, type Page } from './page.ts'
import type { ConnectorRow, Schema } from './schema.ts'
import { endTokensOf } from './token-ending.ts'

export interface NewConnector {
  readonly id: string
  readonly uid: string
  readonly name: string
  readonly service: string
  readonly type: string
  readonly configuration: Readonly<Record<string, unknown>>
  readonly secrets: string
  readonly now: number
}

/** Stores a connector; `undefined` when the UID is taken. */
export function createConnector(db: Kysely<Schema>, input: NewConnector): Promise<ConnectorRow | undefined> {
  return db
    .insertInto('connectors')
    .values({
      id: input.id,
      uid: input.uid,
      name: input.name,
      service: input.service,
      type: input.type,
      configuration: JSON.stringify(input.configuration),
      secrets: input.secrets,
      version: 1,
      created_at: input.now,
      updated_at: input.now,
      removed_at: null,
    })
    .onConflict((conflict) => conflict.column('uid').where('removed_at', 'is', null).doNothing())
    .returningAll()
    .executeTakeFirst()
}

/** The column that a reference names: ids have their own prefix, which no UID may begin with. */
export function referenceColumn(reference: string): 'id' | 'uid' {
  return reference.startsWith('scl_') ? 'id' : 'uid'
}

/** A connector by id or UID, unless it was removed. */
export function findConnector(db: Kysely<Schema>, reference: string): Promise<ConnectorRow | undefined> {
  return db
    .selectFrom('connectors')
    .selectAll()
    .where(referenceColumn(reference), '=', reference)
    .where('removed_at', 'is', null)
    .executeTakeFirst()
}

/** A connector by id, removed or not: to end tokens that outlive it. */
export function findConnectorEvenRemoved(db: Kysely<Schema>, id: string): Promise<ConnectorRow | undefined> {
  return db.selectFrom('connectors').selectAll().where('id', '=', id).executeTakeFirst()
}

export interface ConnectorFilter {
  readonly search?: string
  readonly service?: string
  readonly type?: string
  readonly projectId?: string
}

export async function listConnectors(
  db: Kysely<Schema>,
  filter: ConnectorFilter,
  page: Page,
): Promise<{ readonly rows: readonly ConnectorRow[]; readonly cursor: string | null }> {
  let query = db.selectFrom('connectors').selectAll().where('removed_at', 'is', null)
  const { after } = page
  if (after !== undefined)
    query = query.where(sql<boolean>`(created_at, id) > (${after.createdAt}, ${after.id})`)
  if (filter.service !== undefined) query = query.where('service', '=', filter.service)
  if (filter.type !== undefined) query = query.where('type', '=', filter.type)
  if (filter.search !== undefined) {
    const needle = filter.search.toLowerCase()
    query = query.where(
      sql<boolean>`(strpos(lower(uid), ${needle}) > 0 or strpos(lower(name), ${needle}) > 0)`,
    )
  }
  if (filter.projectId !== undefined) {
    const { projectId } = filter
    query = query.where((expression) =>
      expression.exists(
        expression
          .selectFrom('attachments')
          .select('attachments.id')
          .whereRef('attachments.connector_id', '=', 'connectors.id')
          .where('attachments.project_id', '=', projectId),
      ),
    )
  }
  const rows = await query
    .orderBy('created_at')
    .orderBy('id')
    .limit(page.limit + 1)
    .execute()
  return cutPage(rows, page)
}

/** What changes in a connector; what is absent stays as it is, whoever changes it meanwhile. */
export interface ConnectorChange {
  readonly uid?: string
  readonly name?: string
  /** Settings as they are to be, made from those that were read. */
  readonly settings?: {
    readonly configuration: Readonly<Record<string, unknown>>
    readonly secrets: string
    readonly version: number
  }
  /** Grants whose credentials would from now on be sent elsewhere end, without a call to anywhere. */
  readonly endsGrants?: boolean
  readonly now: number
}

/**
 * Changes a connector. Settings only if they are still those that were read, `'changed'` otherwise: they were merged
 * with what was there. Tokens issued from the older version are not served again, because they carry it.
 */
export async function updateConnector(
  db: Kysely<Schema>,
  current: ConnectorRow,
  change: ConnectorChange,
): Promise<ConnectorRow | 'changed' | 'uid_taken'> {
  try {
    return await db.transaction().execute(async (transaction) => {
      if (change.endsGrants === true) {
        await lockAttachments(transaction, { connectorId: current.id })
        await endGrants(transaction, { connectorId: current.id }, { now: change.now, revokeAt: null })
        await forgetEndings(transaction, current.id)
        await forgetTokens(transaction, current.id, change.now)
        await endConsents(transaction, current.id, change.now)
      }
      const row = await changeRow(transaction, current, change)
      if (row === undefined) throw new ChangedMeanwhile()
      return row
    })
  } catch (error) {
    if (error instanceof ChangedMeanwhile) return 'changed'
    // unique_violation
    if (errorCode(error) === '23505') return 'uid_taken'
    throw error
  }
}

/** Tokens of the old place are not served again, and none is sent to the new one to be ended there. */
async function forgetTokens(
  transaction: Transaction<Schema>,
  connectorId: string,
  now: number,
): Promise<void> {
  await transaction
    .updateTable('issued_tokens')
    .set({ ended_at: now, revoke_at: null })
    .where('connector_id', '=', connectorId)
    .execute()
}

/** A code that a browser brings back, or what one gave already, must not be sent elsewhere either. */
async function endConsents(
  transaction: Transaction<Schema>,
  connectorId: string,
  now: number,
): Promise<void> {
  const rows = await transaction
    .selectFrom('consent_requests')
    .selectAll()
    .where('connector_id', '=', connectorId)
    .where('status', 'in', ['pending', 'consented'])
    .orderBy('id')
    .forUpdate()
    .execute()
  const error = { code: 'connector_changed', message: 'The connector was changed meanwhile: begin again' }
  for (const row of rows) await settle(transaction, row, { status: 'error', error, now })
}

/** Undoes what its transaction has done. */
class ChangedMeanwhile extends Error {}

function changeRow(
  transaction: Transaction<Schema>,
  current: ConnectorRow,
  change: ConnectorChange,
): Promise<ConnectorRow | undefined> {
  const { uid, name, settings } = change
  let update = transaction
    .updateTable('connectors')
    .set({
      updated_at: change.now,
      ...(uid === undefined ? {} : { uid }),
      ...(name === undefined ? {} : { name }),
      ...(settings === undefined
        ? {}
        : { ...settings, configuration: JSON.stringify(settings.configuration) }),
    })
    .where('id', '=', current.id)
    .where('removed_at', 'is', null)
  if (settings !== undefined) {
    // The sealed text too: a key rotation re-wraps it without growing the version.
    update = update.where('version', '=', current.version).where('secrets', '=', current.secrets)
  }
  return update.returningAll().executeTakeFirst()
}

/** Marks a connector as removed, detaches it everywhere and ends what was issued from it. */
export async function removeConnector(db: Kysely<Schema>, id: string, now: number): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const attachments = await transaction
      .selectFrom('attachments')
      .select('id')
      .where('connector_id', '=', id)
      .orderBy('id')
      .forUpdate()
      .execute()
    await endGrants(transaction, { connectorId: id }, { now, revokeAt: now })
    await transaction.updateTable('connectors').set({ removed_at: now }).where('id', '=', id).execute()
    await endTokensOf(
      transaction,
      attachments.map((attachment) => attachment.id),
      now,
    )
    await transaction.deleteFrom('attachments').where('connector_id', '=', id).execute()
  })
}
