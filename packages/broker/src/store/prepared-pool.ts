import { createHash } from 'node:crypto'
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import type pg from 'pg'
import type { Log } from '../log.ts'
import { errorCode, isConnectionLoss } from './database-unreachable.ts'

/** How many different statements a connection keeps prepared: each costs the server memory, per connection. */
const maxNamedStatements = 300
/** Longer texts are batches whose text differs with their size; naming each size would fill the server's memory. */
const maxNamedLength = 6_000

/** Names for SQL texts, the same on every connection of the pool. */
export interface StatementNames {
  /** The name under which to prepare `text`, or undefined to send it unnamed. */
  of(text: string, values: readonly unknown[]): string | undefined
  /** Sends everything unnamed from now on. */
  stop(): void
}

/**
 * Names are digests of the text, not counters: behind a pooler two processes can share a server connection, and a
 * counter would then run the other process's statement. The map never evicts, because an evicted text that comes
 * back would still be prepared on the server; once full, further texts are sent unnamed.
 */
export function statementNames(enabled: boolean): StatementNames {
  const names = new Map<string, string>()
  let active = enabled
  return {
    of(text, values) {
      if (!active || values.length === 0 || text.length > maxNamedLength) return undefined
      const known = names.get(text)
      if (known !== undefined || names.size >= maxNamedStatements) return known
      const name = `vk_${createHash('sha256').update(text).digest('base64url').slice(0, 32)}`
      names.set(text, name)
      return name
    },
    stop() {
      active = false
    },
  }
}

/**
 * Why a prepared statement can't be used although the SQL is fine. All three are raised before execution, so the
 * query may be sent again. `changed`: a migration changed what the statement returns (rolling upgrade).
 * `shared`: a pooler gives each transaction another server connection.
 */
function staleStatement(error: unknown): 'changed' | 'shared' | undefined {
  const code = errorCode(error)
  if (code === '26000' || code === '42P05') return 'shared'
  if (code !== '0A000' || typeof error !== 'object' || error === null || !('routine' in error))
    return undefined
  return error.routine === 'RevalidateCachedQuery' ? 'changed' : undefined
}

interface Shared {
  readonly names: StatementNames
  readonly log: Log
  /** Turns a lost connection into an error that says what happened. */
  readonly lost: (error: unknown) => Error
}

class PreparedClient implements PostgresPoolClient {
  readonly #client: pg.PoolClient
  readonly #shared: Shared
  #discard = false

  constructor(client: pg.PoolClient, shared: Shared) {
    this.#client = client
    this.#shared = shared
  }

  query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>
  query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<Row>
  query<Row>(
    sql: string | PostgresCursor<Row>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<Row>> | PostgresCursor<Row> {
    if (typeof sql !== 'string') throw new TypeError('Cursors are not used here')
    return this.#run(sql, [...parameters]) as Promise<PostgresQueryResult<Row>>
  }

  async #run(text: string, values: unknown[]): Promise<unknown> {
    const name = this.#shared.names.of(text, values)
    try {
      return await this.#client.query(name === undefined ? { text, values } : { name, text, values })
    } catch (error) {
      const stale = name === undefined ? undefined : staleStatement(error)
      if (stale === undefined) throw this.#failure(error)
      // The driver believes that the statement is prepared and can't be told otherwise: give up the connection.
      this.#discard = true
      if (stale === 'shared') {
        this.#shared.names.stop()
        this.#shared.log(
          'warn',
          'prepared statements are off: add prepare=false to DATABASE_URL for this pooler',
        )
      }
      // Inside a transaction the error has already aborted it.
      if (this.#client.getTransactionStatus() !== 'I') throw error
      return await this.#client.query({ text, values })
    }
  }

  #failure(error: unknown): unknown {
    if (!isConnectionLoss(error)) return error
    // After a read timeout the driver still counts the connection as usable, with an answer outstanding.
    this.#discard = true
    return this.#shared.lost(error)
  }

  release(destroy?: boolean): void {
    this.#client.release(destroy === true || this.#discard)
  }
}

/** A pool for kysely that prepares statements and explains what went wrong with a connection. */
export function preparedPool(
  pool: pg.Pool,
  options: Shared & { readonly unreachable: (error: unknown) => Error },
): PostgresPool {
  const clients = new WeakMap<pg.PoolClient, PreparedClient>()
  return {
    options: pool.options,
    async connect() {
      let client: pg.PoolClient
      try {
        client = await pool.connect()
      } catch (error) {
        throw options.unreachable(error)
      }
      const known = clients.get(client)
      if (known !== undefined) return known
      const prepared = new PreparedClient(client, options)
      clients.set(client, prepared)
      return prepared
    },
    async end() {
      await pool.end()
    },
  }
}
