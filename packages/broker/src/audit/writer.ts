import { randomBytes } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Log } from '../log.ts'
import type { Schema } from '../store/schema.ts'
import { type ChainHead, genesisHash, type SealedEvent, sealEvent } from './chain.ts'
import type { AuditEvent } from './event.ts'
import type { KnownHeads } from './known-heads.ts'
import { AuditUnavailable, failureName } from './unavailable.ts'

/** What must still hold when an event commits: the attachment under which an answer was decided. */
export interface AuditGuard {
  readonly attachmentId: string
  readonly version: number
  readonly revocations: number
}

/** Numbers, hashes and commits events, many at a time. */
export interface EventWriter {
  /** False when `guard` no longer holds: nothing was written. Without a guard always true. */
  append(event: AuditEvent, guard?: AuditGuard): Promise<boolean>
  /** Resolves once nothing waits any more. */
  drained(): Promise<void>
  /** Refuses everything from now on; what waits is still written. */
  close(): void
}

/** Options of {@link createEventWriter}. */
export interface EventWriterOptions {
  readonly db: Kysely<Schema>
  readonly now: () => number
  readonly log: Log
  readonly heads: KnownHeads
  /** At most so many events in one insert. */
  readonly maxBatch: number
  /** At most so many events waiting for their turn. */
  readonly maxQueue: number
  /** How long one batch may take, the opening of a chain included. */
  readonly writeTimeoutMs: number
}

interface Waiting {
  readonly event: AuditEvent
  readonly guard: AuditGuard | undefined
  readonly at: number
  readonly resolve: (written: boolean) => void
  readonly reject: (reason: AuditUnavailable) => void
}

/**
 * One statement whatever the number of rows: an array for each column instead of a parameter for each value.
 *
 * With guards it is all or nothing, and returns the ids of the attachments that have moved on. The shared locks hold
 * until the events are committed, and a revocation takes its own lock on the same rows first: either it commits after
 * these events, or they see what it did.
 */
async function insertEvents(
  db: Kysely<Schema>,
  rows: readonly SealedEvent[],
  guards: readonly AuditGuard[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  function column<Name extends keyof SealedEvent>(name: Name): SealedEvent[Name][] {
    return rows.map((row) => row[name])
  }
  const events = sql`
    select * from unnest(
      ${column('chain')}::text[], ${column('seq')}::bigint[], ${column('at')}::bigint[], ${column('kind')}::text[],
      ${column('code')}::text[], ${column('requestId')}::text[], ${column('projectId')}::text[],
      ${column('environment')}::text[], ${column('connectorId')}::text[], ${column('body')}::text[],
      ${column('previousHash')}::text[], ${column('hash')}::text[]
    ) as event (
      chain, seq, at, kind, code, request_id, project_id, environment, connector_id, body, previous_hash, hash
    )`
  const insert = sql`
    insert into audit_events (
      chain, seq, at, kind, code, request_id, project_id, environment, connector_id, body, previous_hash, hash
    )`
  if (guards.length === 0) {
    await sql`${insert} ${events} order by event.seq`.execute(db, { signal })
    return new Set()
  }
  const { rows: moved } = await sql<{ id: string }>`
    with wanted as (
      select * from unnest(
        ${guards.map((guard) => guard.attachmentId)}::text[], ${guards.map((guard) => guard.version)}::integer[],
        ${guards.map((guard) => guard.revocations)}::integer[]
      ) as guard (id, version, revocations)
    ), held as materialized (
      select a.id, a.version, a.revocations from attachments a
      where a.id in (select id from wanted) order by a.id for share
    ), moved as materialized (
      select wanted.id from wanted left join held on held.id = wanted.id
      where (held.version, held.revocations) is distinct from (wanted.version, wanted.revocations)
    ), inserted as (
      ${insert} ${events} where not exists (select from moved) order by event.seq
    )
    select id from moved`.execute(db, { signal })
  return new Set(moved.map((row) => row.id))
}

/** Each guard once: a batch is mostly about few attachments. */
function distinctGuards(waiting: readonly Waiting[]): readonly AuditGuard[] {
  const distinct = new Map<string, AuditGuard>()
  for (const { guard } of waiting) {
    if (guard !== undefined)
      distinct.set(`${guard.attachmentId} ${guard.version} ${guard.revocations}`, guard)
  }
  return [...distinct.values()]
}

/**
 * Creates the writer of one process. It opens a chain with the first event, and a new one after each insert
 * whose fate is unknown: continuing the old chain could number an event twice, or leave a gap if the insert
 * did not commit. Should that insert commit after all, even later, its events stay linked and verify; nobody
 * was told that they are there.
 */
export function createEventWriter(options: EventWriterOptions): EventWriter {
  const { db, now, log, heads, maxBatch, maxQueue, writeTimeoutMs } = options
  const queue: Waiting[] = []
  let head: ChainHead | undefined
  let writing: Promise<void> | undefined
  let closed = false

  function append(event: AuditEvent, guard?: AuditGuard): Promise<boolean> {
    if (closed) return Promise.reject(new AuditUnavailable('stopped'))
    if (queue.length >= maxQueue) return Promise.reject(new AuditUnavailable('full'))
    return new Promise((resolve, reject) => {
      queue.push({ event, guard, at: Math.trunc(now()), resolve, reject })
      writing ??= writeAll()
    })
  }

  async function writeAll(): Promise<void> {
    // Lets the other appends of this tick into the first batch.
    await null
    while (queue.length > 0) await write(queue.splice(0, maxBatch))
    // In the same tick as the check above, so that no append falls between two writers.
    writing = undefined
  }

  async function write(batch: readonly Waiting[]): Promise<void> {
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(new AuditUnavailable('stuck')), writeTimeoutMs)
    let left = batch
    try {
      while (left.length > 0) left = await writeSome(left, deadline.signal)
    } catch (error) {
      fail(left, error, deadline.signal.aborted)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Writes a batch, or returns those whose guards hold when some did not; those are told at once. */
  async function writeSome(batch: readonly Waiting[], signal: AbortSignal): Promise<readonly Waiting[]> {
    const rows = head === undefined ? [await openChain(signal)] : []
    const opened = rows.length
    const accepted: Waiting[] = []
    let previous: ChainHead | undefined = rows[0] ?? head
    for (const waiting of batch) {
      const row = place(waiting, previous)
      if (row === undefined) continue
      previous = row
      rows.push(row)
      accepted.push(waiting)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length === opened) return []
    const moved = await insertEvents(db, rows, distinctGuards(accepted), signal)
    if (moved.size > 0) {
      // Those of other versions of the same attachment are asked to start over too, which costs them a round trip.
      const hit = (waiting: Waiting) => waiting.guard !== undefined && moved.has(waiting.guard.attachmentId)
      for (const waiting of accepted) if (hit(waiting)) waiting.resolve(false)
      return accepted.filter((waiting) => !hit(waiting))
    }
    head = { chain: last.chain, seq: last.seq, hash: last.hash }
    heads.note(head)
    for (const waiting of accepted) waiting.resolve(true)
    return []
  }

  function place(waiting: Waiting, previous: ChainHead | undefined): SealedEvent | undefined {
    try {
      if (previous === undefined) throw new TypeError('No chain is open')
      const { chain, seq, hash } = previous
      return sealEvent(waiting.event, { chain, seq: seq + 1, at: waiting.at, previousHash: hash })
    } catch {
      // Only its own caller pays for an event that can't be written.
      waiting.reject(new AuditUnavailable('unrecordable'))
      return undefined
    }
  }

  async function openChain(signal: AbortSignal): Promise<SealedEvent> {
    const { toName, cut } = await heads.look(signal)
    for (const { chain, seq } of cut) log('error', 'audit events are missing or changed', { chain, seq })
    return sealEvent(
      { kind: 'chain_opened', actor: { type: 'broker' }, details: { heads: toName } },
      {
        chain: randomBytes(16).toString('hex'),
        seq: 0,
        at: Math.trunc(now()),
        previousHash: genesisHash,
      },
    )
  }

  function fail(batch: readonly Waiting[], error: unknown, stuck: boolean): void {
    const closedChain = head
    head = undefined
    const why = stuck ? 'stuck' : 'failed'
    // A database that hangs would make each waiting batch hang in turn: nobody waits for more than one.
    const failed = stuck ? [...batch, ...queue.splice(0)] : batch
    for (const waiting of failed) waiting.reject(new AuditUnavailable(why))
    log('error', 'audit events were not written', {
      events: failed.length,
      reason: stuck ? why : failureName(error),
      ...(closedChain && { chain: closedChain.chain, lastSeq: closedChain.seq }),
    })
  }

  return {
    append,
    drained: async () => {
      while (writing !== undefined) await writing
    },
    close: () => {
      closed = true
    },
  }
}
