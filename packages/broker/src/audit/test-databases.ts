// Databases and trails for the tests of this folder; not part of the package.
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { type CryptoKey, exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose'
import { Kysely, type LogEvent, PGliteDialect, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { migrate } from '../store/migrate.ts'
import type { Schema } from '../store/schema.ts'
import { testDatabaseFolder } from '../store/test-database.ts'
import { startTestPostgres } from '../store/test-postgres.ts'
import type { ExportedEvent } from './chain.ts'
import type { CheckpointKey } from './checkpoint.ts'
import { createCheckpointSigner } from './checkpoint.ts'
import type { AuditEvent } from './event.ts'
import { readTrail } from './export.ts'
import { type AuditTrail, type AuditTrailOptions, createAuditTrail } from './trail.ts'

export interface TestDatabase {
  readonly db: Kysely<Schema>
  /** The statements sent since the last reset. */
  readonly statements: () => readonly string[]
  readonly reset: () => Promise<void>
  readonly close: () => Promise<void>
}

function counting(): { readonly log: (event: LogEvent) => void; readonly list: string[] } {
  const list: string[] = []
  return { list, log: (event) => void list.push(event.query.sql.trim()) }
}

async function prepared(
  db: Kysely<Schema>,
  list: string[],
  close: () => Promise<void>,
): Promise<TestDatabase> {
  await migrate(db)
  return {
    db,
    statements: () => list,
    reset: async () => {
      await sql`truncate audit_events, audit_checkpoints restart identity`.execute(db)
      list.length = 0
    },
    close,
  }
}

/** The embedded engine, on a database of this test file's own. */
export async function openPglite(): Promise<TestDatabase> {
  const { log, list } = counting()
  const { database, remove } = testDatabaseFolder()
  const pglite = database === 'memory' ? new PGlite() : new PGlite(join(database.folder, 'db'))
  const db = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }), log })
  return prepared(db, list, async () => {
    await db.destroy()
    remove()
  })
}

/** A real PostgreSQL of this test file's own. */
export async function openPostgres(): Promise<TestDatabase> {
  const server = await startTestPostgres()
  const pool = new pg.Pool({ connectionString: server.url, max: 5 })
  // Terminated sessions reach idle clients as events; unheard they would end the test process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const { log, list } = counting()
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }), log })
  return prepared(db, list, async () => {
    await db.destroy()
    await server.stop()
  })
}

export const publicUrl = 'https://broker.test'

export interface TestKey extends CheckpointKey {
  readonly keys: JSONWebKeySet
}

export async function makeKey(kid = 'checkpoint-1'): Promise<TestKey> {
  const pair: { publicKey: CryptoKey; privateKey: CryptoKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(pair.publicKey)
  return { kid, ...pair, keys: { keys: [{ ...jwk, kid, alg: 'ES256', use: 'sig' }] } }
}

/** A trail that remembers what it logs. */
export function makeTrail(
  database: TestDatabase,
  key: CheckpointKey,
  options: Partial<AuditTrailOptions> = {},
): { readonly trail: AuditTrail; readonly logged: string[] } {
  const logged: string[] = []
  const now = options.now ?? Date.now
  const trail = createAuditTrail({
    db: database.db,
    now,
    sign: createCheckpointSigner({ key, publicUrl, now }),
    log: (level, message, fields) => {
      logged.push(JSON.stringify({ level, message, ...fields }))
    },
    ...options,
  })
  return { trail, logged }
}

/** An ordinary event; `n` tells them apart. */
export function sampleEvent(n: number, more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    kind: 'token_issued',
    actor: { type: 'workload', projectId: 'prj_1', environment: 'production', subject: 'repo:a/b' },
    requestId: `req_${n}`,
    projectId: 'prj_1',
    environment: 'production',
    connectorId: 'scl_1',
    tokenDigest: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
    details: { n },
    ...more,
  }
}

export async function allRows(database: TestDatabase): Promise<ExportedEvent[]> {
  const rows: ExportedEvent[] = []
  for await (const row of readTrail(database.db)) rows.push(row)
  return rows
}

export async function* stream<Value>(values: Iterable<Value>): AsyncGenerator<Value, void, undefined> {
  yield* values
}
