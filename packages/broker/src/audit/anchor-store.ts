import type { Kysely } from 'kysely'
import type { Schema } from '../store/schema.ts'

const name = 'audit-anchor'

/** The newest anchor as stored, its signature unchecked; `undefined` when nothing was ever dropped. */
export async function readAnchor(db: Kysely<Schema>): Promise<string | undefined> {
  const row = await db.selectFrom('installation').select('value').where('name', '=', name).executeTakeFirst()
  return row?.value
}

/** Puts `next` in the place of `previous`; false when another replica has put its own there meanwhile. */
export async function replaceAnchor(
  db: Kysely<Schema>,
  previous: string | undefined,
  next: string,
): Promise<boolean> {
  const stored =
    previous === undefined
      ? await db
          .insertInto('installation')
          .values({ name, value: next })
          .onConflict((conflict) => conflict.column('name').doNothing())
          .returning('name')
          .executeTakeFirst()
      : await db
          .updateTable('installation')
          .set({ value: next })
          .where('name', '=', name)
          .where('value', '=', previous)
          .returning('name')
          .executeTakeFirst()
  return stored !== undefined
}
