import { type Kysely, sql } from 'kysely'
import type { Schema } from '../store/schema.ts'
import type { KeyRing } from './key-ring.ts'
import { KeyMissing, open, SealBroken, seal } from './seal.ts'
import { canaryContext, canaryName, type SealedColumn, sealedColumns } from './sealed-columns.ts'

/** The key ring does not fit the database. The message says what is wrong and the next step, in a sentence each. */
export class KeyRingMismatch extends Error {
  override readonly name = 'KeyRingMismatch'
}

const canaryText = 'valetkey'

/**
 * Makes sure, before anything is served, that the ring opens what the database holds. An empty database gets a
 * sealed canary; afterwards the canary, and every key that connectors and signing keys are sealed with, must be in
 * the ring. The database must have been migrated.
 *
 * @throws {KeyRingMismatch}
 */
export async function checkKeyRing(db: Kysely<Schema>, ring: KeyRing): Promise<void> {
  const canary = (await readCanary(db)) ?? (await createCanary(db, ring))
  try {
    open(ring, canaryContext, canary)
  } catch (error) {
    if (error instanceof KeyMissing) throw missing(error.keyId)
    if (error instanceof SealBroken) throw changed(canary)
    throw error
  }
  // The canary knows one key. A ring with a new first key, never rotated and then taken back, has sealed more.
  for (const column of sealedColumns) {
    if (column.table === 'issued_tokens') continue
    for (const id of await keyIdsOf(db, column)) if (!ring.ids.includes(id)) throw missing(id)
  }
}

function missing(keyId: string): KeyRingMismatch {
  return new KeyRingMismatch(
    `The database was encrypted with key ${keyId}, which VALETKEY_KEYS does not contain. Add that key back, after the one that encrypts; remove it only once "valetkey keys rotate" has finished.`,
  )
}

function changed(canary: string): KeyRingMismatch {
  const id = /^v1\.([A-Za-z0-9_-]{1,32})\./.exec(canary)?.[1]
  return new KeyRingMismatch(
    id === undefined
      ? 'The key check in the table "installation" is damaged. Restore the database from a backup.'
      : `The value of key ${id} in VALETKEY_KEYS is not the one that the database was encrypted with. Restore the original value of ${id}, or point DATABASE_URL at the database that belongs to these keys.`,
  )
}

async function readCanary(db: Kysely<Schema>): Promise<string | undefined> {
  const row = await db
    .selectFrom('installation')
    .select('value')
    .where('name', '=', canaryName)
    .executeTakeFirst()
  return row?.value
}

async function createCanary(db: Kysely<Schema>, ring: KeyRing): Promise<string> {
  for (const column of sealedColumns) {
    if (!(await holdsAnything(db, column))) continue
    // Unless another replica was quicker with the canary and has already sealed something.
    const canary = await readCanary(db)
    if (canary !== undefined) return canary
    throw new KeyRingMismatch(
      `The database holds encrypted data (in ${column.table}) but not the key check that belongs to it. Restore the row "${canaryName}" of the table "installation", or the whole database, from a backup.`,
    )
  }
  await db
    .insertInto('installation')
    .values({ name: canaryName, value: seal(ring, canaryContext, canaryText) })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  // Read back: another replica, perhaps with another ring, may have been first.
  const canary = await readCanary(db)
  if (canary === undefined) throw new Error('The key check was not stored')
  return canary
}

async function holdsAnything(db: Kysely<Schema>, column: SealedColumn): Promise<boolean> {
  const found = await sql<{ one: number }>`
    select 1 as one from ${sql.table(column.table)}
    ${column.only === undefined ? sql`` : sql`where ${sql.ref(column.key)} = ${column.only}`} limit 1`.execute(
    db,
  )
  return found.rows.length > 0
}

async function keyIdsOf(db: Kysely<Schema>, column: SealedColumn): Promise<string[]> {
  // A consent holds ciphertext for a while only: a row without any needs no key.
  const found = await sql<{ id: string }>`
    select distinct split_part(${sql.ref(column.column)}, '.', 2) as id from ${sql.table(column.table)}
    where ${sql.ref(column.column)} is not null
    ${column.only === undefined ? sql`` : sql`and ${sql.ref(column.key)} = ${column.only}`}`.execute(db)
  return found.rows.map((row) => row.id).filter((id) => /^[A-Za-z0-9_-]{1,32}$/.test(id))
}
