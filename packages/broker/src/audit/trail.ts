import type { Kysely } from 'kysely'
import type { Log } from '../log.ts'
import type { Refusal } from '../refusal.ts'
import type { Schema } from '../store/schema.ts'
import type { CheckpointSigner } from './checkpoint.ts'
import type { AuditEvent } from './event.ts'
import { createKnownHeads } from './known-heads.ts'
import { AuditUnavailable, failureName } from './unavailable.ts'
import { type AuditGuard, createEventWriter } from './writer.ts'

export { AuditUnavailable } from './unavailable.ts'
export type { AuditGuard } from './writer.ts'

/** The append-only record of what the broker did and refused. */
export interface AuditTrail {
  /**
   * Resolves once the event is committed. Events appended while a commit is under way share the next one.
   *
   * Never call it inside a database transaction: the embedded database has one connection, so it would wait
   * for itself until it times out.
   *
   * @throws {AuditUnavailable} when the event is not known to be committed.
   */
  append(event: AuditEvent): Promise<void>
  /**
   * As {@link append}, if the attachment is still as it was when the answer was decided, up to the moment of the
   * commit: no answer is recorded after a revocation has committed.
   *
   * @returns false when it is not: nothing was written, and the answer must be decided anew.
   */
  appendUnlessRevoked(event: AuditEvent, guard: AuditGuard): Promise<boolean>
  /**
   * Counts a refusal that gets no event of its own: of somebody unauthenticated, or one of a flood after its first;
   * written as one event a minute, none when there were none.
   */
  countAnonymous(reason: Refusal['reason']): void
  /**
   * Signs the present heads of all chains, logs and stores it, and returns the JWS: the previous one when no
   * head has moved since.
   */
  checkpoint(): Promise<string>
  /** Starts the minute's work: the counts, then a checkpoint. The timer keeps no process alive. */
  start(): Promise<void>
  /** Writes the counts and what waits, signs a last checkpoint and refuses further events. Never throws. */
  stop(): Promise<void>
}

/** Options of {@link createAuditTrail}. */
export interface AuditTrailOptions {
  readonly db: Kysely<Schema>
  readonly now: () => number
  readonly log: Log
  readonly sign: CheckpointSigner
  /** Default 60,000. */
  readonly checkpointEveryMs?: number
  /** Most events in one insert. Default 500. */
  readonly maxBatch?: number
  /** Most events waiting; above it `append` refuses at once. Default 10,000. */
  readonly maxQueue?: number
  /** How long one insert, or one look for a checkpoint, may take. Default 10,000. */
  readonly writeTimeoutMs?: number
}

/** Creates the trail of one process. Does no I/O: the chain is opened with the first event. */
export function createAuditTrail(options: AuditTrailOptions): AuditTrail {
  const { db, now, log, sign, checkpointEveryMs = 60_000, writeTimeoutMs = 10_000 } = options
  const { maxBatch = 500, maxQueue = 10_000 } = options
  const heads = createKnownHeads(db)
  const writer = createEventWriter({ db, now, log, heads, maxBatch, maxQueue, writeTimeoutMs })
  let counts = new Map<Refusal['reason'], number>()
  let countedSince: number | undefined
  let signed: { readonly heads: string; readonly jws: string } | undefined
  let lastCheckpoint: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let working: Promise<void> | undefined
  let stopping: Promise<void> | undefined

  function countAnonymous(reason: Refusal['reason']): void {
    countedSince ??= Math.trunc(now())
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }

  async function writeCounts(): Promise<void> {
    if (counts.size === 0) return
    const [taken, since] = [counts, countedSince]
    counts = new Map()
    countedSince = undefined
    try {
      await writer.append({
        kind: 'anonymous_refusals',
        actor: { type: 'broker' },
        details: { since, counts: Object.fromEntries(taken) },
      })
    } catch (error) {
      // Perhaps counted twice if the insert did commit; never lost.
      for (const [reason, count] of taken) counts.set(reason, (counts.get(reason) ?? 0) + count)
      countedSince = since
      log('warn', 'anonymous refusals were not written', { reason: failureName(error) })
    }
  }

  async function signHeads(): Promise<string> {
    const { toName, cut } = await heads.look(AbortSignal.timeout(writeTimeoutMs))
    for (const { chain, seq } of cut) log('error', 'audit events are missing or changed', { chain, seq })
    const text = JSON.stringify(toName)
    if (signed?.heads === text) return signed.jws
    const jws = await sign(toName)
    signed = { heads: text, jws }
    // The log first: it is the copy that somebody who can change the database does not reach.
    log('info', 'audit checkpoint', { checkpoint: jws })
    await db
      .insertInto('audit_checkpoints')
      .values({ at: Math.trunc(now()), jws })
      .execute({ signal: AbortSignal.timeout(writeTimeoutMs) })
    return jws
  }

  function checkpoint(): Promise<string> {
    const next = lastCheckpoint.then(signHeads)
    lastCheckpoint = next.catch(() => undefined)
    return next
  }

  async function tryCheckpoint(): Promise<void> {
    try {
      await checkpoint()
    } catch (error) {
      log('warn', 'audit checkpoint failed', { reason: failureName(error) })
    }
  }

  async function work(): Promise<void> {
    await writeCounts()
    await tryCheckpoint()
  }

  async function stopOnce(): Promise<void> {
    clearInterval(timer)
    // In one tick: an event appended from here on is refused, never lost behind the last count.
    const counted = writeCounts()
    writer.close()
    await Promise.all([counted, working])
    await writer.drained()
    if (counts.size > 0) {
      log('error', 'anonymous refusals were lost', { counts: Object.fromEntries(counts) })
    }
    await tryCheckpoint()
  }

  return {
    append: async (event) => {
      await writer.append(event)
    },
    appendUnlessRevoked: writer.append,
    countAnonymous,
    checkpoint,
    start: async () => {
      if (stopping !== undefined) throw new AuditUnavailable('stopped')
      timer ??= setInterval(() => {
        working ??= work().finally(() => {
          working = undefined
        })
      }, checkpointEveryMs).unref()
    },
    stop: () => {
      stopping ??= stopOnce()
      return stopping
    },
  }
}
