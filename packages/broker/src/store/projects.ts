import { type Kysely, sql } from 'kysely'
import { endOrphans } from './grant-ending.ts'
import { newId } from './ids.ts'
import { cutPage, type Page } from './page.ts'
import type { ProjectRow, Schema, TrustRuleRow } from './schema.ts'
import { endTokensOf } from './token-ending.ts'

/** Makes known to every process that projects or rules changed. Called in the transaction of each such change. */
async function bumpTrust(db: Kysely<Schema>): Promise<void> {
  await db.updateTable('revisions').set({ value: sql`value + 1` }).where('name', '=', 'trust').execute()
}

/** Creates a project; `undefined` when the name is taken. */
export async function createProject(
  db: Kysely<Schema>,
  input: { readonly name: string; readonly allowDevelopmentIdentities: boolean; readonly now: number },
): Promise<ProjectRow | undefined> {
  return db.transaction().execute(async (transaction) => {
    const row = await transaction
      .insertInto('projects')
      .values({
        id: newId('prj'),
        name: input.name,
        allow_development_identities: input.allowDevelopmentIdentities,
        created_at: input.now,
      })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (row !== undefined) await bumpTrust(transaction)
    return row
  })
}

/** A project by id or name. */
export function findProject(db: Kysely<Schema>, reference: string): Promise<ProjectRow | undefined> {
  return db
    .selectFrom('projects')
    .selectAll()
    .where(reference.startsWith('prj_') ? 'id' : 'name', '=', reference)
    .executeTakeFirst()
}

export async function listProjects(
  db: Kysely<Schema>,
  page: Page,
): Promise<{ readonly rows: readonly ProjectRow[]; readonly cursor: string | null }> {
  const { after } = page
  const rows = await db
    .selectFrom('projects')
    .selectAll()
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(created_at, id) > (${after?.createdAt ?? 0}, ${after?.id ?? ''})`),
    )
    .orderBy('created_at')
    .orderBy('id')
    .limit(page.limit + 1)
    .execute()
  return cutPage(rows, page)
}

/** Removes a project with its rules and attachments; what was issued to it is ended. */
export async function removeProject(db: Kysely<Schema>, id: string, now: number): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const attachments = await transaction
      .selectFrom('attachments')
      .select(['id', 'connector_id'])
      .where('project_id', '=', id)
      .orderBy('id')
      .forUpdate()
      .execute()
    await endTokensOf(
      transaction,
      attachments.map((attachment) => attachment.id),
      now,
    )
    await transaction.deleteFrom('projects').where('id', '=', id).execute()
    for (const connectorId of new Set(attachments.map((attachment) => attachment.connector_id))) {
      await endOrphans(transaction, connectorId, { now, revokeAt: now })
    }
    await bumpTrust(transaction)
  })
}

/** Adds a trust rule that has been parsed and found strong enough. */
export async function addTrustRule(
  db: Kysely<Schema>,
  input: {
    readonly projectId: string
    readonly environment: string
    readonly issuer: string
    readonly audience: string
    readonly claims: Readonly<Record<string, readonly string[]>>
    readonly refuse: Readonly<Record<string, readonly string[]>>
    readonly maxAgeSeconds: number
    readonly now: number
  },
): Promise<TrustRuleRow> {
  return db.transaction().execute(async (transaction) => {
    const row = await transaction
      .insertInto('trust_rules')
      .values({
        id: newId('trr'),
        project_id: input.projectId,
        environment: input.environment,
        issuer: input.issuer,
        audience: input.audience,
        claims: JSON.stringify(input.claims),
        refuse: JSON.stringify(input.refuse),
        max_age_seconds: input.maxAgeSeconds,
        created_at: input.now,
      })
      .returningAll()
      .executeTakeFirstOrThrow()
    await bumpTrust(transaction)
    return row
  })
}

export function listTrustRules(db: Kysely<Schema>, projectId: string): Promise<TrustRuleRow[]> {
  return db
    .selectFrom('trust_rules')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
}

/** Removes one rule of a project and returns it; `undefined` when it has no such rule. */
export async function removeTrustRule(
  db: Kysely<Schema>,
  projectId: string,
  ruleId: string,
): Promise<TrustRuleRow | undefined> {
  return db.transaction().execute(async (transaction) => {
    const removed = await transaction
      .deleteFrom('trust_rules')
      .where('project_id', '=', projectId)
      .where('id', '=', ruleId)
      .returningAll()
      .executeTakeFirst()
    if (removed !== undefined) await bumpTrust(transaction)
    return removed
  })
}
