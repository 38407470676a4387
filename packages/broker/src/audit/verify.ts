import canonicalize from 'canonicalize'
import type { VerifiedAnchor } from './anchor.ts'
import {
  bodyVersion,
  type ChainHead,
  columnText,
  type ExportedEvent,
  genesisHash,
  headsNamedBy,
  linkHash,
  type RepeatedColumn,
} from './chain.ts'
import type { VerifiedCheckpoint } from './checkpoint.ts'

export type { ExportedEvent } from './chain.ts'

/** What verification found. */
export interface AuditVerification {
  readonly valid: boolean
  /** How many events were looked at: all of them when `valid`, else up to the first problem. */
  readonly events: number
  /**
   * `proven`: a trusted checkpoint was given and everything it names is there. It says nothing about events
   * later than {@link provenUntilMs}.
   */
  readonly tail: 'proven' | 'unproven'
  /** When the latest checkpoint that proves the tail was signed. */
  readonly provenUntilMs?: number
  /** How many events are not there because retention dropped them, as a signed anchor says; absent for none. */
  readonly dropped?: number
  /** The first problem; names chain and event, quotes no event. */
  readonly problem?: string
}

/** A head somebody vouched for, and who. */
interface Claim {
  readonly head: ChainHead
  readonly by: string
}

class Problem extends Error {}

/**
 * Verifies a whole trail. Needs nothing but what it is given, so it works on an export far from the broker, in
 * memory that does not grow with the number of events.
 *
 * Finds without any checkpoint: an edited, missing, inserted, doubled or swapped event within a chain; a column
 * that disagrees with its body; a chain, or the tail of a chain, that is missing although a chain opened later
 * names it. Finds only against a checkpoint: events missing at the end of the chains that nobody names yet, and
 * a trail that was rewritten and hashed anew. Nothing finds what was changed before it was first signed.
 *
 * `rows` must come as `readTrail` and exports give them: each chain in one piece, by `seq`, a chain opened later
 * before the chains that it names.
 *
 * After retention a chain may begin later than at 0: up to the event that the anchor names, and only in its hash. No
 * event can stand in for the anchor, an `audit_pruned` neither: whoever can write to the database can write events.
 * Events that were dropped can't be compared with a claim any more (other than the last, whose hash the anchor keeps);
 * such a claim is taken as met, and a checkpoint of which nothing else is left proves no tail.
 *
 * @param checkpoints kept apart from the trail; an untrusted one makes the result invalid.
 * @param options.closing asked for after the last row: the checkpoint at the end of the export itself. It must
 *   be there and agree, but proves no tail: it was signed over whatever the database held at that time.
 */
export async function verifyAuditTrail(
  rows: AsyncIterable<ExportedEvent>,
  checkpoints: readonly VerifiedCheckpoint[],
  options: {
    readonly closing?: () => Promise<readonly VerifiedCheckpoint[]>
    /** What retention dropped; read before the rows. An untrusted one makes the result invalid. */
    readonly anchor?: VerifiedAnchor
  } = {},
): Promise<AuditVerification> {
  const { anchor } = options
  const check = createCheck(anchor?.trusted === true ? anchor.dropped : [])
  try {
    if (anchor?.trusted === false) throw new Problem(`what was dropped is unproven: ${anchor.problem}`)
    if (anchor !== undefined) check.claim(anchor.heads, 'the anchor')
    checkpoints.forEach((checkpoint, index) => {
      if (checkpoint.trusted) check.claim(checkpoint.heads, `checkpoint ${index + 1}`)
    })
    for await (const row of rows) check.row(row)
    check.end()
    if (options.closing !== undefined) {
      const closing = await options.closing()
      if (closing.length === 0) throw new Problem('the export ends without its checkpoint: it was cut')
      for (const checkpoint of closing) {
        if (!checkpoint.trusted) throw new Problem(`at the end of the export, ${checkpoint.problem}`)
        check.claim(checkpoint.heads, 'the checkpoint at the end of the export')
      }
      check.end()
    }
    checkpoints.forEach((checkpoint, index) => {
      if (!checkpoint.trusted) throw new Problem(`checkpoint ${index + 1}: ${checkpoint.problem}`)
    })
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { valid: false, events: check.events(), tail: 'unproven', problem: error.message }
  }
  const dropped = check.dropped() === 0 ? {} : { dropped: check.dropped() }
  // A checkpoint without heads was signed before the first event: it vouches for nothing.
  const proofs = checkpoints.flatMap((one, index) =>
    one.trusted && check.meets(`checkpoint ${index + 1}`) ? [one.signedAtMs] : [],
  )
  if (proofs.length === 0) return { valid: true, events: check.events(), tail: 'unproven', ...dropped }
  const provenUntilMs = proofs.reduce((one, other) => Math.max(one, other))
  return { valid: true, events: check.events(), tail: 'proven', provenUntilMs, ...dropped }
}

function createCheck(anchored: readonly ChainHead[]) {
  let events = 0
  let dropped = 0
  let current: ChainHead | undefined
  /** The last event that may be gone, of each chain that may begin late. */
  const anchors = new Map(anchored.map((head) => [head.chain, head]))
  /** Who named something that was met. */
  const met = new Set<string>()
  /** The last event of each chain that was read. */
  const finished = new Map<string, ChainHead>()
  /** What must still be met, by chain and seq. */
  const awaited = new Map<string, Map<number, Claim[]>>()

  function claim(heads: readonly ChainHead[], by: string): void {
    for (const head of heads) {
      const last = head.chain === current?.chain ? current : finished.get(head.chain)
      if (last === undefined || (last === current && last.seq < head.seq)) expectLater({ head, by })
      else meetLate({ head, by }, last)
    }
  }

  function expectLater(claimed: Claim): void {
    const { chain, seq } = claimed.head
    const bySeq = awaited.get(chain) ?? new Map<number, Claim[]>()
    awaited.set(chain, bySeq)
    bySeq.set(seq, [...(bySeq.get(seq) ?? []), claimed])
  }

  /** A claim on a chain that was already read: only its last hash is still known. */
  function meetLate(claimed: Claim, last: ChainHead): void {
    const { head, by } = claimed
    if (head.seq > last.seq) throw missing(claimed, last)
    if (head.seq < last.seq) {
      throw new Problem(`chain ${head.chain}, event ${head.seq}: ${by} names it, but comes after it`)
    }
    meet(claimed, last)
  }

  function meet({ head, by }: Claim, found: ChainHead): void {
    if (head.hash !== found.hash) {
      throw new Problem(`chain ${head.chain}, event ${head.seq}: not the event that ${by} names`)
    }
    met.add(by)
  }

  /** A chain's first row. Of the claims on what is before it, those on the anchor's own event can still be met. */
  function begin(event: ExportedEvent): void {
    const { chain, seq } = event
    const anchor = anchors.get(chain)
    if (anchor === undefined) return
    dropped += seq
    const claims = awaited.get(chain)
    for (const [claimedSeq, claimed] of claims ?? []) {
      if (claimedSeq >= seq) continue
      if (claimedSeq === anchor.seq) for (const one of claimed) meet(one, anchor)
      claims?.delete(claimedSeq)
    }
    // Dropped in part, as after a crash: what is left must still lead to the anchor's event.
    if (anchor.seq >= seq) expectLater({ head: anchor, by: 'the anchor' })
  }

  function missing({ head, by }: Claim, last: ChainHead | undefined): Problem {
    const end = last === undefined ? 'the whole chain is missing' : `the chain ends at event ${last.seq}`
    return new Problem(`chain ${head.chain}, event ${head.seq}: ${by} names it, but ${end}`)
  }

  function finishCurrent(): void {
    if (current === undefined) return
    finished.set(current.chain, current)
    current = undefined
  }

  function row(event: ExportedEvent): void {
    events += 1
    if (event.chain !== current?.chain) {
      finishCurrent()
      if (finished.has(event.chain)) throw at(event, 'the chain stands in more than one piece')
    }
    const before = current
    checkLink(event, before, anchors.get(event.chain))
    if (before === undefined) begin(event)
    const body = checkBody(event)
    current = { chain: event.chain, seq: event.seq, hash: event.hash }
    const claims = awaited.get(event.chain)
    for (const claimed of claims?.get(event.seq) ?? []) meet(claimed, current)
    claims?.delete(event.seq)
    if ((event.kind === 'chain_opened') !== (event.seq === 0))
      throw at(event, 'not the kind of event due here')
    if (event.seq !== 0) return
    const heads = headsNamedBy(body)
    if (heads === undefined) throw at(event, 'the opening names no heads')
    claim(heads, `the opening of chain ${event.chain}`)
  }

  function end(): void {
    finishCurrent()
    for (const [chain, { seq }] of anchors) {
      // Retention leaves the last event of every chain.
      if (!finished.has(chain))
        throw missing({ head: { chain, seq: seq + 1, hash: '' }, by: 'the anchor' }, undefined)
    }
    for (const [chain, claims] of awaited) {
      const left = claims.values().next().value?.[0]
      if (left !== undefined) throw missing(left, finished.get(chain))
    }
  }

  return { claim, row, end, events: () => events, dropped: () => dropped, meets: (by: string) => met.has(by) }
}

function at(event: ExportedEvent, what: string): Problem {
  return new Problem(`chain ${event.chain}, event ${event.seq}: ${what}`)
}

function checkLink(event: ExportedEvent, before: ChainHead | undefined, anchor: ChainHead | undefined): void {
  if (before === undefined) checkFirstLink(event, anchor)
  else if (event.seq !== before.seq + 1) throw at(event, `event ${before.seq + 1} is due here`)
  else if (event.previousHash !== before.hash) throw at(event, 'does not continue the event before')
  if (event.hash !== linkHash(event.previousHash, event.body))
    throw at(event, 'its text is not what was hashed')
}

/** Begins at 0, or as late as the anchor allows: up to right behind its event, and then continuing just that. */
function checkFirstLink(event: ExportedEvent, anchor: ChainHead | undefined): void {
  if (event.seq === 0) {
    if (event.previousHash !== genesisHash) throw at(event, 'does not continue the event before')
    return
  }
  if (anchor === undefined) {
    throw at(event, 'event 0 is due here, and no signed anchor says that what came before was dropped')
  }
  const lastDropped = event.seq - 1
  if (lastDropped > anchor.seq)
    throw at(event, `event ${anchor.seq + 1} is due here: the anchor drops no more`)
  if (lastDropped === anchor.seq && event.previousHash !== anchor.hash) {
    throw at(event, 'does not continue the event that the anchor names')
  }
}

const repeated: readonly RepeatedColumn[] = [
  'kind',
  'code',
  'requestId',
  'projectId',
  'environment',
  'connectorId',
]

function checkBody(event: ExportedEvent): unknown {
  let body: unknown
  let canonical: string | undefined
  try {
    body = JSON.parse(event.body)
    canonical = canonicalize(body)
  } catch {
    throw at(event, 'its body is not JSON')
  }
  // Otherwise a body could say one thing to this parser and another to the next, by naming a field twice.
  if (canonical !== event.body) throw at(event, 'its body is not canonical')
  if (typeof body !== 'object' || body === null) throw at(event, 'its body is not an object')
  const fields: Readonly<Record<string, unknown>> = { ...body }
  if (fields.v !== bodyVersion) throw at(event, 'its version is not known here')
  for (const name of ['chain', 'seq', 'at'] as const) {
    if (fields[name] !== event[name]) throw at(event, `its column ${name} disagrees with its body`)
  }
  for (const name of repeated) {
    if (columnText(fields[name]) !== event[name])
      throw at(event, `its column ${name} disagrees with its body`)
  }
  return body
}
