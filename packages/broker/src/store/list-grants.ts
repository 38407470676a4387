import { type Kysely, sql } from 'kysely'
import { ended } from './grant-states.ts'
import { cutPage, type Page } from './page.ts'
import type { GrantRow, GrantState, Schema } from './schema.ts'

/** A grant with the name of the project it was made in, as long as that exists. */
export type NamedGrant = GrantRow & { readonly project_name: string | null }

/** The grants of a connector, those that were made first first; without a state, those that are not ended. */
export async function listNamedGrants(
  db: Kysely<Schema>,
  filter: { readonly connectorId: string; readonly state?: GrantState },
  page: Page,
): Promise<{ readonly rows: readonly NamedGrant[]; readonly cursor: string | null }> {
  let query = db
    .selectFrom('grants as g')
    .leftJoin('projects as p', 'p.id', 'g.project_id')
    .selectAll('g')
    .select('p.name as project_name')
    .where('g.connector_id', '=', filter.connectorId)
  query =
    filter.state === undefined
      ? query.where('g.state', '<>', ended)
      : query.where('g.state', '=', filter.state)
  const { after } = page
  if (after !== undefined)
    query = query.where(sql<boolean>`(g.created_at, g.id) > (${after.createdAt}, ${after.id})`)
  const rows = await query
    .orderBy('g.created_at')
    .orderBy('g.id')
    .limit(page.limit + 1)
    .execute()
  return cutPage(rows, page)
}
