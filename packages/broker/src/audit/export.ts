import type { JSONWebKeySet } from 'jose'
import { type Kysely, type Selectable, sql } from 'kysely'
import type { AuditEventTable, Schema } from '../store/schema.ts'
import { readAnchor } from './anchor-store.ts'
import { type ChainHead, type ExportedEvent, headsInOpening, headsToName, rememberNamed } from './chain.ts'
import type { CheckpointSigner } from './checkpoint.ts'
import { readHeads } from './known-heads.ts'

/** The version of the export's format. */
const exportVersion = 1

const pageSize = 1000

function exported(row: Selectable<AuditEventTable>): ExportedEvent {
  return {
    // node-postgres gives bigint as text unless told otherwise.
    position: Number(row.position),
    chain: row.chain,
    seq: Number(row.seq),
    at: Number(row.at),
    kind: row.kind,
    code: row.code,
    requestId: row.request_id,
    projectId: row.project_id,
    environment: row.environment,
    connectorId: row.connector_id,
    body: row.body,
    previousHash: row.previous_hash,
    hash: row.hash,
  }
}

/** Thrown when retention dropped events while they were read: what was read is no whole trail. Read it again. */
export class TrailPruned extends Error {
  override readonly name = 'TrailPruned'

  constructor() {
    super('Retention dropped events of the audit trail while it was read: read it again')
  }
}

/**
 * Newest opening first: a chain is opened after the events that its opening names were committed. Chains whose opening
 * retention has dropped come last: they name nothing any more.
 */
async function newestFirst(
  db: Kysely<Schema>,
  heads: readonly ChainHead[],
): Promise<readonly { readonly chain: string; readonly seq: number }[]> {
  const { rows } = await sql<{ chain: string; position: number }>`
    select chain, position from audit_events
    where seq = 0 and chain = any(${heads.map((head) => head.chain)}::text[])`.execute(db)
  const openedAt = new Map(rows.map((row) => [row.chain, Number(row.position)]))
  return [...heads].sort((one, other) => (openedAt.get(other.chain) ?? -1) - (openedAt.get(one.chain) ?? -1))
}

/**
 * Reads the whole trail as it is at the call, in the order `verifyAuditTrail` needs, a page at a time: no
 * transaction and no connection is held between pages.
 *
 * Chain by chain rather than by position: a position is given before its commit, so a reader going by position
 * could pass over events that are committed an instant later and report a gap where there is none.
 *
 * @throws {TrailPruned} when the beginning of a chain went away between two of its pages.
 */
export async function* readTrail(db: Kysely<Schema>): AsyncGenerator<ExportedEvent, void, undefined> {
  const heads = await readHeads(db)
  for (const { chain, seq: lastSeq } of await newestFirst(db, heads)) {
    let after: number | undefined
    for (;;) {
      let query = db.selectFrom('audit_events').selectAll().where('chain', '=', chain)
      query = query.where('seq', '<=', lastSeq)
      if (after !== undefined) query = query.where('seq', '>', after)
      const rows = (await query.orderBy('seq').limit(pageSize).execute()).map(exported)
      const due = after === undefined ? rows.length > 0 : after === lastSeq || rows[0]?.seq === after + 1
      if (!due && (await beginsAfter(db, chain, after ?? -1))) throw new TrailPruned()
      yield* rows
      after = rows.at(-1)?.seq
      if (rows.length < pageSize) break
    }
  }
}

/** Whether nothing is left of a chain up to `seq`, as after a prune; a gap that somebody made has events before it. */
async function beginsAfter(db: Kysely<Schema>, chain: string, seq: number): Promise<boolean> {
  const query = db.selectFrom('audit_events').select('seq').where('chain', '=', chain)
  const first = await query.orderBy('seq').limit(1).executeTakeFirst()
  return first !== undefined && Number(first.seq) > seq
}

/**
 * The trail as JSON Lines, each without its line feed: a `header` with the checkpoint keys (and the anchor, where
 * retention has dropped events), one `event` a line, and last a `checkpoint` signed over the heads of exactly these
 * events. A file without that last line was cut.
 *
 * @throws {TrailPruned} when retention drops events meanwhile, before that last line.
 */
export async function* exportLines(options: {
  readonly db: Kysely<Schema>
  readonly now: () => number
  readonly publicUrl: string
  /** Public keys of checkpoints, retired ones included. */
  readonly keys: JSONWebKeySet
  readonly sign: CheckpointSigner
}): AsyncGenerator<string, void, undefined> {
  const { db, now, publicUrl, keys, sign } = options
  // Before the events: an anchor that is signed while they are read may speak of more than was dropped by then.
  const anchor = await readAnchor(db)
  const anchored = anchor === undefined ? {} : { anchor }
  yield JSON.stringify({ type: 'header', v: exportVersion, publicUrl, at: now(), keys, ...anchored })
  const heads = new Map<string, ChainHead>()
  const named = new Map<string, ChainHead>()
  for await (const event of readTrail(db)) {
    const { chain, seq, hash } = event
    heads.set(chain, { chain, seq, hash })
    if (seq === 0) rememberNamed(named, headsInOpening(event.body))
    yield JSON.stringify({ type: 'event', ...event })
  }
  if ((await readAnchor(db)) !== anchor) throw new TrailPruned()
  yield JSON.stringify({ type: 'checkpoint', jws: await sign(headsToName(heads.values(), named)) })
}
