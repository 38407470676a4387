import { join } from 'node:path'
import { Kysely, PGliteDialect, type PGliteDialectConfig, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Log } from '../log.ts'
import { lockDataFolder } from './data-folder.ts'
import { connectFailure, type DatabasePlace, DatabaseUnreachable, errorCode } from './database-unreachable.ts'
import { emptyDatabase, placeEmptyDatabase } from './empty-database.ts'
import { preparedPool, statementNames } from './prepared-pool.ts'
import type { Schema } from './schema.ts'

export { DatabaseUnreachable } from './database-unreachable.ts'

/** An open database and the one way to close it. */
export interface OpenDatabase {
  readonly db: Kysely<Schema>
  readonly engine: 'pglite' | 'postgres'
  close(): Promise<void>
}

/** PostgreSQL's type `int8`: `bigint` columns, `count(*)`. */
const int8 = 20
const connectSeconds = 5

/** Both engines answer `int8` as a number; one that a number can't hold is an error, not a nearby number. */
function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError('A 64-bit number in the database is out of range')
  return value
}

/**
 * A database behind a PostgreSQL URL. Returns at once; the first query connects.
 *
 * Statements with parameters are prepared once per connection. `?prepare=false` in the URL (or `prepare: false`)
 * turns that off for poolers in transaction mode; the session's timeouts are then not sent either, since poolers
 * refuse them as startup parameters: set `statement_timeout` on the role. TLS is as the URL's `sslmode` says.
 *
 * @throws {DatabaseUnreachable} when `url` isn't a PostgreSQL URL; queries reject with it when no connection could
 *   be made within 5 s or one was lost.
 */
export function openPostgres(options: {
  readonly url: string
  /** 10 unless told. */
  readonly maxConnections?: number
  /** 10 000 unless told; 0 for none: a replica that waits for another one's migration waits in a statement. */
  readonly statementTimeoutMs?: number
  readonly prepare?: boolean
  readonly log: Log
}): OpenDatabase {
  const { url, maxConnections = 10, statementTimeoutMs = 10_000, log } = options
  const place = databasePlace(url)
  const prepare = options.prepare ?? !/[?&]prepare=(false|off|no|0)(&|$)/.test(url)
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    application_name: 'valetkey',
    connectionTimeoutMillis: connectSeconds * 1_000,
    keepAlive: true,
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === int8 && format !== 'binary' ? parseInt8 : pg.types.getTypeParser(oid, format),
    },
    ...(statementTimeoutMs > 0 && {
      // The server's timeout does not help when the server is gone and the network does not say so.
      query_timeout: statementTimeoutMs + 5_000,
      ...(prepare && {
        statement_timeout: statementTimeoutMs,
        idle_in_transaction_session_timeout: statementTimeoutMs * 3,
      }),
    }),
    // Left to itself the planner may prefer to plan the query of token requests anew for each of them, which takes
    // longer than running it. All statements find their rows by index, whatever the values.
    ...(prepare && { options: '-c plan_cache_mode=force_generic_plan' }),
  })
  // An `error` event that nobody listens to ends the process. The pool listens to idle clients and repeats it; a
  // client in use between two statements of a transaction has no listener but this one.
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    client.on('error', (error) => {
      log('warn', 'a database connection was lost', { code: errorCode(error) })
    })
  })
  const db = new Kysely<Schema>({
    dialect: new PostgresDialect({
      pool: preparedPool(pool, {
        names: statementNames(prepare),
        log,
        unreachable: (error) => connectFailure(error, place, { seconds: connectSeconds, maxConnections }),
        lost: (error) =>
          new DatabaseUnreachable(
            `The connection to the database at ${place.host}:${place.port} was lost during a query: try again.`,
            errorCode(error),
          ),
      }),
    }),
  })
  let closing: Promise<void> | undefined
  return {
    db,
    engine: 'postgres',
    close() {
      // Kysely ends the pool only if a query has ever been sent.
      closing ??= db.destroy().then(() => (pool.ending ? undefined : pool.end()))
      return closing
    },
  }
}

function databasePlace(url: string): DatabasePlace {
  const advice =
    'it must look like postgres://user:password@host:5432/database, special characters percent-encoded.'
  // pg reads anything without a scheme as a path below the host "base".
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new DatabaseUnreachable(`DATABASE_URL is not a PostgreSQL URL: ${advice}`)
  }
  try {
    const { host, port, database } = new pg.Client({ connectionString: url })
    return { host, port, database: database ?? '' }
  } catch (error) {
    // sslrootcert, sslcert and sslkey are read when the URL is.
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EACCES') {
      throw new DatabaseUnreachable('A certificate or key file that DATABASE_URL names can not be read.')
    }
    throw new DatabaseUnreachable(`DATABASE_URL can not be read: ${advice}`)
  }
}

type EmbeddedEngine = Exclude<PGliteDialectConfig['pglite'], (...parameters: never[]) => unknown>
type EmbeddedTransaction = Parameters<Parameters<EmbeddedEngine['transaction']>[0]>[0]

/**
 * The embedded database in `<folder>/db`, or one in memory. The first time it is a copy of an empty one, in about a second.
 *
 * The folder's lock is held until `close`. Should another machine that shares the folder take it over, because this
 * process was suspended for long, every further query rejects: two writers would destroy the files.
 *
 * @throws {FolderInUse} when a live process has the folder
 * @throws {DatabaseUnreachable} when the files can't be opened
 */
export async function openEmbedded(options: {
  readonly folder: string | 'memory'
  readonly log: Log
}): Promise<OpenDatabase> {
  const { folder, log } = options
  let lost = false
  const lock =
    folder === 'memory'
      ? undefined
      : await lockDataFolder(folder, {
          onLost() {
            lost = true
            log('error', 'another process has taken over the data folder: restart this one', { folder })
          },
        })
  // Loaded here: a broker on PostgreSQL needs none of its 20 MB.
  const { PGlite } = await import('@electric-sql/pglite')
  const parsers = { [int8]: parseInt8 }
  async function open() {
    if (folder === 'memory') {
      const empty = await emptyDatabase()
      return PGlite.create({ parsers, ...(empty === undefined ? {} : { loadDataDir: empty }) })
    }
    await placeEmptyDatabase(folder, async (dataDir, loadDataDir) => {
      await (await PGlite.create({ dataDir, loadDataDir })).close()
    })
    return PGlite.create({ dataDir: join(folder, 'db'), parsers })
  }
  const engine = await open().catch(async () => {
    await lock?.release()
    throw new DatabaseUnreachable(
      `The embedded database in ${join(folder, 'db')} could not be opened: its files are damaged or from another version. Move that folder away or restore a backup.`,
    )
  })
  const guard = () => {
    if (lost)
      throw new DatabaseUnreachable('Another process has taken over the data folder: restart this one.')
  }
  const guarded: EmbeddedEngine = {
    get closed() {
      return engine.closed
    },
    get ready() {
      return engine.ready
    },
    get waitReady() {
      return engine.waitReady
    },
    async query(text, values, queryOptions) {
      guard()
      return await engine.query(text, values, queryOptions)
    },
    async transaction(run) {
      // Kysely waits for `run` to be called, for ever if it is not: a lost folder shows at the first query instead.
      const began = lost ? { query: engine.query, rollback: async () => {} } : undefined
      const runGuarded = async (transaction: EmbeddedTransaction) =>
        await run({
          async query(text, values, queryOptions) {
            guard()
            return await transaction.query(text, values, queryOptions)
          },
          rollback: async () => await transaction.rollback(),
        })
      return began === undefined ? await engine.transaction(runGuarded) : await runGuarded(began)
    },
    // Closing writes a checkpoint: not into files that belong to somebody else now.
    async close() {
      if (!lost && !engine.closed) await engine.close()
    },
  }
  const db = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite: guarded }) })
  let closing: Promise<void> | undefined
  return {
    db,
    engine: 'pglite',
    close() {
      closing ??= db
        .destroy()
        .then(() => guarded.close())
        .finally(() => lock?.release())
      return closing
    },
  }
}
