import { type Kysely, sql } from 'kysely'
import type { Schema } from '../store/schema.ts'
import { type ChainHead, headsInOpening, headsToName, rememberNamed } from './chain.ts'

/** What a look at the database shows of all chains. */
export interface HeadsSeen {
  /** The heads that bind everything: see `headsToName`. */
  readonly toName: readonly ChainHead[]
  /** Heads this process has seen that are gone or changed: somebody cut or rewrote the table. */
  readonly cut: readonly ChainHead[]
}

/** What this process knows about the heads of all chains, its own included. */
export interface KnownHeads {
  /** Takes note of a head that this process has committed. */
  note(head: ChainHead): void
  /** Looks at the database again. One look at a time; a failed one changes nothing. */
  look(signal: AbortSignal): Promise<HeadsSeen>
}

/**
 * The last event of every chain, in one statement and hence one snapshot.
 *
 * `distinct on` or `max … group by` would read the whole index each minute. This walks it from chain to chain,
 * two probes each, whatever their length.
 */
export async function readHeads(db: Kysely<Schema>, signal?: AbortSignal): Promise<readonly ChainHead[]> {
  const { rows } = await sql<{ chain: string; seq: number; hash: string }>`
    with recursive chains as (
      (select chain from audit_events order by chain limit 1)
      union all
      select (select e.chain from audit_events e where e.chain > c.chain order by e.chain limit 1)
      from chains c where c.chain is not null
    )
    select c.chain, h.seq, h.hash
    from chains c
    cross join lateral (
      select e.seq, e.hash from audit_events e where e.chain = c.chain order by e.seq desc limit 1
    ) h
    where c.chain is not null`.execute(db, { signal })
  // node-postgres gives bigint as text unless told otherwise.
  return rows.map(({ chain, seq, hash }) => ({ chain, seq: Number(seq), hash }))
}

async function readOpenings(
  db: Kysely<Schema>,
  chains: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (chains.length === 0) return []
  const { rows } = await sql<{ body: string }>`
    select body from audit_events where seq = 0 and chain = any(${chains}::text[])`.execute(db, { signal })
  return rows.map((row) => row.body)
}

/** Knows nothing yet; the first look reads one row for each chain. */
export function createKnownHeads(db: Kysely<Schema>): KnownHeads {
  const known = new Map<string, ChainHead>()
  const named = new Map<string, ChainHead>()
  const openingsRead = new Set<string>()
  let noted: ChainHead[] = []
  let looking = false
  let lastLook: Promise<unknown> = Promise.resolve()

  function note(head: ChainHead): void {
    // A head committed while a look is under way may be newer than what the look reads, which must not be
    // taken for a cut.
    if (looking) noted.push(head)
    else known.set(head.chain, head)
  }

  function merge(read: ReadonlyMap<string, ChainHead>): readonly ChainHead[] {
    const cut: ChainHead[] = []
    for (const before of known.values()) {
      const head = read.get(before.chain)
      // What was once seen stays named, so that the next checkpoint convicts the cut instead of blessing it.
      if (head === undefined || head.seq < before.seq) cut.push(before)
      else if (head.seq === before.seq && head.hash !== before.hash) cut.push(before)
    }
    const cutChains = new Set(cut.map((head) => head.chain))
    for (const head of read.values()) if (!cutChains.has(head.chain)) known.set(head.chain, head)
    return cut
  }

  async function lookNow(signal: AbortSignal): Promise<HeadsSeen> {
    looking = true
    try {
      const read = new Map((await readHeads(db, signal)).map((head) => [head.chain, head]))
      // After the heads, never before: a chain counts as named only by chains that are among these heads.
      const fresh = [...read.keys()].filter((chain) => !openingsRead.has(chain))
      const openings = await readOpenings(db, fresh, signal)
      const cut = merge(read)
      for (const chain of fresh) openingsRead.add(chain)
      // One that can't be read names nothing: more is named by us, and `verify` reports it. What an opening named
      // stays named after retention dropped it, because the anchor names it from then on.
      for (const opening of openings) rememberNamed(named, headsInOpening(opening))
      return { toName: headsToName(known.values(), named), cut }
    } finally {
      looking = false
      for (const head of noted) known.set(head.chain, head)
      noted = []
    }
  }

  function look(signal: AbortSignal): Promise<HeadsSeen> {
    const next = lastLook.then(() => lookNow(signal))
    lastLook = next.catch(() => undefined)
    return next
  }

  return { note, look }
}
