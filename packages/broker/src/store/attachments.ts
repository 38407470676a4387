import type { AuthorizationDetail, SubjectType } from '@valetkey/protocol'
import canonicalize from 'canonicalize'
import { type Kysely, sql } from 'kysely'
import { endOrphans } from './grant-ending.ts'
import { newId } from './ids.ts'
import type { AttachmentRow, Schema } from './schema.ts'
import { endTokensOf } from './token-ending.ts'

/** The most that an attachment may ask for; what is absent is not limited beyond the driver's own default. */
export interface Ceiling {
  readonly subjects: readonly SubjectType[] | null
  readonly scopes: readonly string[] | null
  readonly resources: readonly string[] | null
  readonly authorizationDetails: readonly AuthorizationDetail[] | null
  readonly maxTtlSeconds: number | null
  readonly fullAccess: boolean
}

/** What an operator decides about consent under an attachment. */
export interface ConsentRules {
  /**
   * Attachments of the connector with the same namespace share their grants; null: each has its own; absent: as it was,
   * because leaving a namespace that nobody else is in ends its grants.
   */
  readonly userNamespace?: string | null
  readonly bindOnConsent: boolean
  /** Where the sign-in gateway may send a browser back to; exact, and of one attachment of the connector only. */
  readonly redirectUris: readonly string[]
}

/** Grants of its own, completed by whoever began, no sign-in. */
export const noConsentRules: ConsentRules = { bindOnConsent: false, redirectUris: [] }

interface CeilingColumns {
  readonly subjects: string | null
  readonly scopes: string | null
  readonly resources: string | null
  readonly authorization_details: string | null
  readonly max_ttl_seconds: number | null
  readonly full_access: boolean
  readonly user_namespace: string | null
  readonly bind_on_consent: boolean
}

/** Attaches a connector to a project for some environments, all with one ceiling. */
export async function attach(
  db: Kysely<Schema>,
  input: {
    readonly connectorId: string
    readonly projectId: string
    readonly environments: readonly string[]
    /** Detach the environments that are not named. */
    readonly replace: boolean
    readonly ceiling: Ceiling
    readonly consent: ConsentRules
    readonly now: number
  },
): Promise<void> {
  const json = (value: unknown) => (value === null ? null : JSON.stringify(value))
  const columns: CeilingColumns = {
    subjects: json(input.ceiling.subjects),
    scopes: json(input.ceiling.scopes),
    resources: json(input.ceiling.resources),
    authorization_details: json(input.ceiling.authorizationDetails),
    max_ttl_seconds: input.ceiling.maxTtlSeconds,
    full_access: input.ceiling.fullAccess,
    user_namespace: input.consent.userNamespace ?? null,
    bind_on_consent: input.consent.bindOnConsent,
  }
  const { redirectUris } = input.consent
  await db.transaction().execute(async (transaction) => {
    const existing = await transaction
      .selectFrom('attachments')
      .selectAll()
      .where('connector_id', '=', input.connectorId)
      .where('project_id', '=', input.projectId)
      .orderBy('id')
      .forUpdate()
      .execute()
    const byEnvironment = new Map(existing.map((row) => [row.environment, row]))
    for (const environment of input.environments) {
      const row = byEnvironment.get(environment)
      byEnvironment.delete(environment)
      if (row === undefined) {
        const id = newId('att')
        await transaction
          .insertInto('attachments')
          .values({
            id,
            connector_id: input.connectorId,
            project_id: input.projectId,
            environment,
            ...columns,
            version: 1,
            created_at: input.now,
            updated_at: input.now,
          })
          .execute()
        await setRedirectUris(transaction, { connectorId: input.connectorId, attachmentId: id, redirectUris })
        continue
      }
      await setRedirectUris(transaction, {
        connectorId: input.connectorId,
        attachmentId: row.id,
        redirectUris,
      })
      const kept = input.consent.userNamespace === undefined ? row.user_namespace : columns.user_namespace
      const next = { ...columns, user_namespace: kept }
      if (sameCeiling(row, next)) continue
      // A lower ceiling must hold at once, for what was issued under the higher one too.
      await endTokensOf(transaction, [row.id], input.now)
      await transaction
        .updateTable('attachments')
        .set({ ...next, version: row.version + 1, updated_at: input.now })
        .where('id', '=', row.id)
        .execute()
    }
    if (input.replace)
      await removeRows(
        transaction,
        [...byEnvironment.values()].map((row) => row.id),
        input.now,
      )
    await endOrphans(transaction, input.connectorId, { now: input.now, revokeAt: input.now })
  })
}

/** A URI that another attachment of the connector has is a conflict: the primary key says so. */
async function setRedirectUris(
  transaction: Kysely<Schema>,
  of: {
    readonly connectorId: string
    readonly attachmentId: string
    readonly redirectUris: readonly string[]
  },
): Promise<void> {
  await transaction.deleteFrom('redirect_uris').where('attachment_id', '=', of.attachmentId).execute()
  if (of.redirectUris.length === 0) return
  await transaction
    .insertInto('redirect_uris')
    .values(
      of.redirectUris.map((uri) => ({
        connector_id: of.connectorId,
        uri,
        attachment_id: of.attachmentId,
      })),
    )
    .execute()
}

/** Attaching again with the same ceiling must not end what was issued under it. */
function sameCeiling(row: AttachmentRow, columns: CeilingColumns): boolean {
  const text = (value: unknown) => (value === null ? null : canonicalize(value))
  const parsed = (value: string | null): unknown => (value === null ? null : JSON.parse(value))
  return (
    text(row.subjects) === text(parsed(columns.subjects)) &&
    text(row.scopes) === text(parsed(columns.scopes)) &&
    text(row.resources) === text(parsed(columns.resources)) &&
    text(row.authorization_details) === text(parsed(columns.authorization_details)) &&
    row.max_ttl_seconds === columns.max_ttl_seconds &&
    row.full_access === columns.full_access &&
    row.user_namespace === columns.user_namespace &&
    row.bind_on_consent === columns.bind_on_consent
  )
}

/** Detaches some environments (all of them when none is named); returns those that were attached. */
export async function detach(
  db: Kysely<Schema>,
  input: {
    readonly connectorId: string
    readonly projectId: string
    readonly environments: readonly string[]
    readonly now: number
  },
): Promise<readonly string[]> {
  return db.transaction().execute(async (transaction) => {
    let query = transaction
      .selectFrom('attachments')
      .select(['id', 'environment'])
      .where('connector_id', '=', input.connectorId)
      .where('project_id', '=', input.projectId)
    if (input.environments.length > 0) query = query.where('environment', 'in', [...input.environments])
    const rows = await query.orderBy('id').forUpdate().execute()
    await removeRows(
      transaction,
      rows.map((row) => row.id),
      input.now,
    )
    await endOrphans(transaction, input.connectorId, { now: input.now, revokeAt: input.now })
    return rows.map((row) => row.environment)
  })
}

async function removeRows(db: Kysely<Schema>, ids: readonly string[], now: number): Promise<void> {
  if (ids.length === 0) return
  await endTokensOf(db, ids, now)
  await db
    .deleteFrom('attachments')
    .where('id', 'in', [...ids])
    .execute()
}

/** An attachment with the name of its project. */
export type NamedAttachment = AttachmentRow & {
  readonly project_name: string
  readonly redirect_uris: readonly string[]
}

/** Attachments of one connector, or of one connector and project. */
export function listAttachments(
  db: Kysely<Schema>,
  filter: { readonly connectorIds: readonly string[]; readonly projectId?: string },
): Promise<NamedAttachment[]> {
  if (filter.connectorIds.length === 0) return Promise.resolve([])
  let query = db
    .selectFrom('attachments')
    .innerJoin('projects', 'projects.id', 'attachments.project_id')
    .selectAll('attachments')
    .select('projects.name as project_name')
    .select(
      sql<
        readonly string[]
      >`array(select uri from redirect_uris r where r.attachment_id = attachments.id order by uri)`.as(
        'redirect_uris',
      ),
    )
    .where('attachments.connector_id', 'in', [...filter.connectorIds])
  if (filter.projectId !== undefined) query = query.where('attachments.project_id', '=', filter.projectId)
  return query.orderBy('projects.name').orderBy('attachments.environment').execute()
}
