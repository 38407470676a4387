import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Finds the other living grants of an account, before something is ended at its provider that they need. */
export const grantsByAccount: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`create index grants_by_account on grants (connector_id, (identity->>'externalSubject'))
      where state <> 'ended'`.execute(db)
  },
}
