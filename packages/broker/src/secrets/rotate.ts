import { type Kysely, sql } from 'kysely'
import type { Schema } from '../store/schema.ts'
import type { KeyRing } from './key-ring.ts'
import { KeyMissing, rewrap, SealBroken } from './seal.ts'
import { type SealedColumn, sealedColumns } from './sealed-columns.ts'

/** What happened to one table's sealed values. */
export interface RotationCount {
  readonly table: string
  /** Wrapped anew with the primary key. */
  readonly rewrapped: number
  /** Left alone because they don't open: damaged, moved, or sealed with a key that the ring lacks. */
  readonly unreadable: number
  /** Still under another key because somebody kept writing with it. Zero unless a replica runs on an older ring. */
  readonly remaining: number
}

/** The outcome of a rotation. */
export interface Rotation {
  readonly tables: readonly RotationCount[]
  /** True when nothing that could be read needs a key other than the primary: the others may leave the ring. */
  readonly complete: boolean
}

/** A pass over a table that finds what concurrent writers left is repeated this often. */
const maxPasses = 5

/**
 * Wraps the data key of every sealed value with the ring's primary key, while brokers keep serving.
 *
 * Each value is replaced only if it is still the one that was read, so that a concurrent write is never undone.
 * It holds no lock and no transaction, and can be stopped and run again: what is done stays done. The canary comes
 * last and only when nothing is left, because it tells the next start which key must not be missing.
 */
export async function rotateKeys(
  db: Kysely<Schema>,
  ring: KeyRing,
  options: {
    readonly onProgress?: (count: RotationCount) => void
    readonly batchSize?: number
  } = {},
): Promise<Rotation> {
  const { onProgress, batchSize = 200 } = options
  const tables: RotationCount[] = []
  let complete = true
  for (const column of sealedColumns) {
    if (column.only !== undefined && !complete) continue
    const count = await rotateColumn(db, ring, column, { batchSize, ...(onProgress && { onProgress }) })
    tables.push(count)
    if (count.remaining > 0) complete = false
  }
  return { tables, complete }
}

async function rotateColumn(
  db: Kysely<Schema>,
  ring: KeyRing,
  column: SealedColumn,
  options: { readonly batchSize: number; readonly onProgress?: (count: RotationCount) => void },
): Promise<RotationCount> {
  let rewrapped = 0
  let unreadable = 0
  let remaining = 0
  const count = () => ({ table: column.table, rewrapped, unreadable, remaining })
  for (let pass = 0; pass < maxPasses; pass += 1) {
    unreadable = 0
    remaining = 0
    let after = ''
    for (;;) {
      const rows = await readBatch(db, ring, column, after, options.batchSize)
      const last = rows.at(-1)
      if (last === undefined) break
      after = last.key
      for (const row of rows) {
        const outcome = await rotateRow(db, ring, column, row)
        if (outcome === 'rewrapped') rewrapped += 1
        else if (outcome === 'unreadable') unreadable += 1
        else remaining += 1
      }
      options.onProgress?.(count())
    }
    // A row that changed meanwhile is most likely under the primary key now; only another look can tell. So is one
    // that was inserted before the place where this pass was.
    if (remaining === 0 && (await countOthers(db, ring, column)) <= unreadable) return count()
  }
  remaining = Math.max(0, (await countOthers(db, ring, column)) - unreadable)
  return count()
}

interface SealedRow {
  readonly key: string
  readonly sealed: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** Rows of the column that are not under the primary key. Not `like`: `_` is a letter of key ids. */
function underOtherKeys(ring: KeyRing, column: SealedColumn) {
  const others = sql`not starts_with(${sql.ref(column.column)}, ${`v1.${ring.primaryId}.`})`
  return column.only === undefined ? others : sql`${others} and ${sql.ref(column.key)} = ${column.only}`
}

async function readBatch(
  db: Kysely<Schema>,
  ring: KeyRing,
  column: SealedColumn,
  after: string,
  limit: number,
): Promise<SealedRow[]> {
  const selected = [...new Set([column.key, column.column, ...column.select])]
  const found = await sql<Record<string, unknown>>`
    select ${sql.join(selected.map((name) => sql.ref(name)))} from ${sql.table(column.table)}
    where ${sql.ref(column.key)} > ${after} and ${underOtherKeys(ring, column)}
    order by ${sql.ref(column.key)} limit ${sql.lit(limit)}`.execute(db)
  return found.rows.map((fields) => ({
    key: String(fields[column.key]),
    sealed: String(fields[column.column]),
    fields,
  }))
}

async function rotateRow(
  db: Kysely<Schema>,
  ring: KeyRing,
  column: SealedColumn,
  row: SealedRow,
): Promise<'rewrapped' | 'changed' | 'unreadable'> {
  let next: string | undefined
  try {
    next = rewrap(ring, column.context(row.fields), row.sealed)
  } catch (error) {
    if (error instanceof SealBroken || error instanceof KeyMissing) return 'unreadable'
    throw error
  }
  if (next === undefined) return 'changed'
  // One row, one statement: a batch would hold row locks that a request waits for.
  const updated = await sql`
    update ${sql.table(column.table)} set ${sql.ref(column.column)} = ${next}
    where ${sql.ref(column.key)} = ${row.key} and ${sql.ref(column.column)} = ${row.sealed}`.execute(db)
  return updated.numAffectedRows === 1n ? 'rewrapped' : 'changed'
}

async function countOthers(db: Kysely<Schema>, ring: KeyRing, column: SealedColumn): Promise<number> {
  const found = await sql<{ count: number }>`
    select count(*) as count from ${sql.table(column.table)} where ${underOtherKeys(ring, column)}`.execute(
    db,
  )
  return found.rows[0]?.count ?? 0
}
