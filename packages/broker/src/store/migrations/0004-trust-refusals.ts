import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What trust rules refuse, and a way to the identities that the audit has seen. */
export const trustRefusals: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .alterTable('trust_rules')
      .addColumn('refuse', 'jsonb', (column) => column.notNull().defaultTo(sql`'{}'::jsonb`))
      .execute()
    // Few among many: without it a dry run would read the whole trail backwards.
    await sql`create index audit_identities_seen on audit_events (position) where kind = 'identity_seen'`.execute(
      db,
    )
  },
}
