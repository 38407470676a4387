import type { JSONWebKeySet } from 'jose'
import { type Kysely, sql } from 'kysely'
import type { Log } from '../log.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import type { Schema } from '../store/schema.ts'
import { type Anchor, type AnchorSigner, verifyAnchor } from './anchor.ts'
import { readAnchor, replaceAnchor } from './anchor-store.ts'
import type { ChainHead, ExportedEvent } from './chain.ts'
import { type VerifiedCheckpoint, verifyCheckpoint } from './checkpoint.ts'
import type { AuditActor } from './event.ts'
import { readTrail, TrailPruned } from './export.ts'
import { createSurvey, planPrune, type Survey } from './prune-plan.ts'
import type { AuditTrail } from './trail.ts'
import { verifyAuditTrail } from './verify.ts'

/** What {@link dropAuditBefore} works with. */
export interface PruneContext {
  readonly db: Kysely<Schema>
  readonly audit: Pick<AuditTrail, 'append' | 'checkpoint'>
  readonly now: () => number
  readonly log: Log
  /** Public keys of checkpoints and anchors. */
  readonly keys: JSONWebKeySet
  readonly sign: AnchorSigner
}

/** What became of the old events. */
export interface PruneResult {
  /** How many events were deleted, left-overs of an interrupted run included. */
  readonly dropped: number
  /** How many chains are the shorter by this run. */
  readonly chains: number
  /** The signed statement of everything that was ever dropped; null while that is nothing. */
  readonly anchor: string | null
}

/** Events deleted in one statement: short enough that requests don't wait for it on the embedded database. */
const batchSize = 5000

/** How many of the stored checkpoints the trail is held against besides a new one. */
const storedCheckpoints = 20

const nothingDropped: Anchor = { dropped: [], heads: [] }

/**
 * Drops events from before `before` (milliseconds since the epoch): of each chain the beginning that is old and covered
 * by a signed checkpoint; {@link planPrune} says which and why that is sound.
 *
 * First the whole trail is verified, against a new checkpoint and the newest stored ones: of an invalid trail nothing is
 * dropped, or retention would destroy the proof of a forgery. Then the event `audit_pruned` is committed, bound by a
 * checkpoint, and only then the anchor is stored that makes the shorter trail valid, and only then rows are deleted, in
 * order, so that each chain stays in one piece. Wherever it stops, the trail is valid, and the next run finishes it.
 *
 * Replicas may run it at once: one replaces the anchor, the others are refused with `conflict`.
 */
export async function dropAuditBefore(
  context: PruneContext,
  request: {
    readonly before: number
    readonly actor: AuditActor
    readonly requestId?: string
    /** Stops it half way, by throwing the signal's reason. */
    readonly signal?: AbortSignal
  },
): Promise<Outcome<PruneResult>> {
  const { db, audit, log, keys, sign } = context
  const { actor, requestId, signal } = request
  const before = Math.min(request.before, context.now())
  const previous = await readAnchor(db)
  const anchor = previous === undefined ? undefined : await verifyAnchor(previous, { keys })
  const checkpoint = await verifyCheckpoint(await audit.checkpoint(), { keys })
  const survey = createSurvey(before)
  try {
    const checkpoints = [checkpoint, ...(await newestStored(db, keys))]
    const found = await verifyAuditTrail(surveyed(db, survey, signal), checkpoints, anchor && { anchor })
    if (!found.valid) return notValid(found.problem)
  } catch (error) {
    if (error instanceof TrailPruned) return anotherRuns()
    throw error
  }
  const standing = anchor?.trusted === true ? anchor : nothingDropped
  const plan = planPrune(survey, checkpoint.trusted ? checkpoint.heads : [], standing)
  if (plan === undefined) {
    const dropped = await deleteUpTo(db, standing.dropped, signal)
    return accept({ dropped, chains: 0, anchor: previous ?? null })
  }

  // Reading took a while: better no event than one that says what did not happen.
  if ((await readAnchor(db)) !== previous) return anotherRuns()
  const jws = await sign(plan.anchor)
  await audit.append({
    kind: 'audit_pruned',
    actor,
    action: 'audit.prune',
    ...(requestId === undefined ? {} : { requestId }),
    details: { before, dropped: plan.dropped, anchor: jws },
  })
  await audit.checkpoint()
  if (!(await replaceAnchor(db, previous, jws))) return anotherRuns()
  // As with checkpoints: a copy that somebody who can change the database does not reach.
  log('info', 'audit anchor', { anchor: jws })
  const dropped = await deleteUpTo(db, plan.anchor.dropped, signal)
  await deleteCheckpoints(db, before)
  return accept({ dropped, chains: plan.dropped.length, anchor: jws })
}

function notValid(problem: string | undefined): ReturnType<typeof refuse> {
  const message = `The audit trail is not valid, so nothing was dropped: ${problem ?? 'unknown problem'}`
  return refuse({ reason: 'conflict', message })
}

function anotherRuns(): ReturnType<typeof refuse> {
  return refuse({
    reason: 'conflict',
    message: 'Old audit events are being dropped already: look again later',
  })
}

async function* surveyed(
  db: Kysely<Schema>,
  survey: Survey,
  signal: AbortSignal | undefined,
): AsyncGenerator<ExportedEvent, void, undefined> {
  for await (const event of readTrail(db)) {
    signal?.throwIfAborted()
    survey.row(event)
    yield event
  }
}

/** Those that are not trusted are passed over: anyone who can write to the database can put some there. */
async function newestStored(db: Kysely<Schema>, keys: JSONWebKeySet): Promise<readonly VerifiedCheckpoint[]> {
  const query = db
    .selectFrom('audit_checkpoints')
    .select('jws')
    .orderBy('id', 'desc')
    .limit(storedCheckpoints)
  const verified = await Promise.all(
    (await query.execute()).map(({ jws }) => verifyCheckpoint(jws, { keys })),
  )
  return verified.filter((checkpoint) => checkpoint.trusted)
}

/** Deletes the events of each chain up to and with `seq`, oldest first, a batch at a time. */
async function deleteUpTo(
  db: Kysely<Schema>,
  heads: readonly ChainHead[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const { rows } = await sql<{ chain: string; seq: number; first: number }>`
    select a.chain, a.seq, e.seq as first
    from unnest(${heads.map((head) => head.chain)}::text[], ${heads.map((head) => head.seq)}::bigint[]) a (chain, seq)
    cross join lateral (
      select seq from audit_events where chain = a.chain order by seq limit 1
    ) e
    where e.seq <= a.seq`.execute(db)
  let dropped = 0
  for (const { chain, seq, first } of rows) {
    const last = Number(seq)
    for (let from = Number(first); from <= last; from += batchSize) {
      signal?.throwIfAborted()
      const result = await db
        .deleteFrom('audit_events')
        .where('chain', '=', chain)
        .where('seq', '<=', Math.min(last, from + batchSize - 1))
        .executeTakeFirst()
      dropped += Number(result.numDeletedRows)
    }
  }
  return dropped
}

/** Checkpoints over what is gone; the newest stays, whatever its age: the next run holds the trail against it. */
async function deleteCheckpoints(db: Kysely<Schema>, before: number): Promise<void> {
  await db
    .deleteFrom('audit_checkpoints')
    .where('at', '<', before)
    .where('id', '<', (query) =>
      query.selectFrom('audit_checkpoints').select(({ fn }) => fn.max('id').as('newest')),
    )
    .execute()
}
