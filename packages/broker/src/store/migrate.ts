import type { Kysely } from 'kysely'
import { type Migration, type MigrationResult, Migrator } from 'kysely/migration'
import { foundation } from './migrations/0001-foundation.ts'
import { consent } from './migrations/0002-consent.ts'
import { grantsByAccount } from './migrations/0003-grants-by-account.ts'
import { trustRefusals } from './migrations/0004-trust-refusals.ts'
import type { Schema } from './schema.ts'

/** In order; a name is forever once released. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-foundation': foundation,
  '0002-consent': consent,
  '0003-grants-by-account': grantsByAccount,
  '0004-trust-refusals': trustRefusals,
}

function migrator(db: Kysely<Schema>): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } })
}

/**
 * Brings the database to this build's schema and returns the names that were applied.
 *
 * Replicas may call it at the same moment: kysely's migrator takes a lock in the database. A database that a
 * newer build has migrated is an error, not a downgrade.
 */
export async function migrate(db: Kysely<Schema>): Promise<readonly string[]> {
  const { error, results } = await migrator(db).migrateToLatest()
  if (error !== undefined) throw error
  return (results ?? [])
    .filter((result: MigrationResult) => result.status === 'Success')
    .map((result) => result.migrationName)
}

/** The names of the migrations that this build knows and the database lacks. */
export async function pendingMigrations(db: Kysely<Schema>): Promise<readonly string[]> {
  const known = await migrator(db).getMigrations()
  return known.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name)
}
