import type { Kysely } from 'kysely'
import type { AccessTokenRow, Schema } from './schema.ts'

export type NamedAccessToken = AccessTokenRow & { readonly project_name: string | null }

/** Stores an access token by the hash of its secret. */
export async function insertAccessToken(db: Kysely<Schema>, row: AccessTokenRow): Promise<void> {
  await db.insertInto('access_tokens').values(row).execute()
}

/** The access token with this hash, unless it has expired. */
export function findAccessToken(
  db: Kysely<Schema>,
  secretHash: string,
  now: number,
): Promise<NamedAccessToken | undefined> {
  return named(db)
    .where('access_tokens.secret_hash', '=', secretHash)
    .where((expression) =>
      expression.or([
        expression('access_tokens.expires_at', 'is', null),
        expression('access_tokens.expires_at', '>', now),
      ]),
    )
    .executeTakeFirst()
}

export function listAccessTokens(db: Kysely<Schema>): Promise<NamedAccessToken[]> {
  return named(db).orderBy('access_tokens.created_at').execute()
}

/** Removes one; false when there is none with this id. */
export async function removeAccessToken(db: Kysely<Schema>, id: string): Promise<boolean> {
  const removed = await db.deleteFrom('access_tokens').where('id', '=', id).returning('id').executeTakeFirst()
  return removed !== undefined
}

/** Removes the owner tokens of earlier development runs. */
export async function removeEphemeralAccessTokens(db: Kysely<Schema>): Promise<void> {
  await db.deleteFrom('access_tokens').where('ephemeral', '=', true).execute()
}

function named(db: Kysely<Schema>) {
  return db
    .selectFrom('access_tokens')
    .leftJoin('projects', 'projects.id', 'access_tokens.project_id')
    .selectAll('access_tokens')
    .select('projects.name as project_name')
}
