import canonicalize from 'canonicalize'
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
 * before the chains that it names. (Retention would go here: an event that signs off the removed heads, and a
 * chain that may then begin at a `seq` and hash which such an event names, instead of at 0.)
 *
 * @param checkpoints kept apart from the trail; an untrusted one makes the result invalid.
 * @param options.closing asked for after the last row: the checkpoint at the end of the export itself. It must
 *   be there and agree, but proves no tail: it was signed over whatever the database held at that time.
 */
export async function verifyAuditTrail(
  rows: AsyncIterable<ExportedEvent>,
  checkpoints: readonly VerifiedCheckpoint[],
  options: { readonly closing?: () => Promise<readonly VerifiedCheckpoint[]> } = {},
): Promise<AuditVerification> {
  const check = createCheck()
  try {
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
  // A checkpoint without heads was signed before the first event: it vouches for nothing.
  const proofs = checkpoints.flatMap((one) => (one.trusted && one.heads.length > 0 ? [one.signedAtMs] : []))
  if (proofs.length === 0) return { valid: true, events: check.events(), tail: 'unproven' }
  const provenUntilMs = proofs.reduce((one, other) => Math.max(one, other))
  return { valid: true, events: check.events(), tail: 'proven', provenUntilMs }
}

function createCheck() {
  let events = 0
  let current: ChainHead | undefined
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
    checkLink(event, before)
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
    for (const [chain, claims] of awaited) {
      const left = claims.values().next().value?.[0]
      if (left !== undefined) throw missing(left, finished.get(chain))
    }
  }

  return { claim, row, end, events: () => events }
}

function at(event: ExportedEvent, what: string): Problem {
  return new Problem(`chain ${event.chain}, event ${event.seq}: ${what}`)
}

function checkLink(event: ExportedEvent, before: ChainHead | undefined): void {
  const due = before === undefined ? 0 : before.seq + 1
  if (event.seq !== due) throw at(event, `event ${due} is due here`)
  if (event.previousHash !== (before?.hash ?? genesisHash))
    throw at(event, 'does not continue the event before')
  if (event.hash !== linkHash(event.previousHash, event.body))
    throw at(event, 'its text is not what was hashed')
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
