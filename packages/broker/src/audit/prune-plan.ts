import type { Anchor } from './anchor.ts'
import { type ChainHead, type ExportedEvent, headsInOpening } from './chain.ts'

/** What one reading of the trail shows of a chain. */
interface ChainSeen {
  /** The newest event with which its old beginning may end: it has a successor. */
  candidate: ChainHead | undefined
  /** Whether every event so far is old. */
  old: boolean
  last: ChainHead
  /** What its opening names, where that is still there. */
  readonly named: readonly ChainHead[]
}

/** Collects what {@link planPrune} needs while the rows pass on their way to verification. */
export interface Survey {
  readonly row: (event: ExportedEvent) => void
  readonly chains: ReadonlyMap<string, ChainSeen>
}

/** Looks for the old beginning of each chain: the events in front that are all from before `before`. */
export function createSurvey(before: number): Survey {
  const chains = new Map<string, ChainSeen>()

  function row(event: ExportedEvent): void {
    const { chain, seq, hash } = event
    const head = { chain, seq, hash }
    const seen = chains.get(chain)
    if (seen === undefined) {
      const named = seq === 0 ? headsInOpening(event.body) : []
      chains.set(chain, { candidate: undefined, old: event.at < before, last: head, named })
      return
    }
    // One behind: the last event of a chain is never dropped. Openings and checkpoints name it, and replicas remember it.
    if (seen.old) seen.candidate = seen.last
    seen.old &&= event.at < before
    seen.last = head
  }

  return { row, chains }
}

/** What is to be dropped. */
export interface PrunePlan {
  /** The last event to be dropped of each chain that loses any by this plan. */
  readonly dropped: readonly ChainHead[]
  /** The whole statement to be signed, with what earlier anchors said. */
  readonly anchor: Anchor
}

/**
 * Plans what to drop, from a trail that was surveyed and verified against the checkpoint and the anchor given here.
 *
 * Of each chain goes the longest beginning that is old, does not hold the chain's last event, and is covered. Covered
 * is every event up to a head that the checkpoint names, or an anchor, or the opening of a chain that is covered
 * itself. This is sound: the checkpoint's signature binds the heads it names, a head binds by hash every event before
 * it in its chain, so also the opening, and the opening binds the heads in it; verification has found all of these
 * heads in the trail. So nothing is dropped of which there is no signed trace, and whoever has forged or cut what the
 * signature covers has made the trail invalid, of which nothing is dropped at all.
 *
 * A dropped opening no longer binds the heads it named, so the anchor names them in its place. It can't be left out:
 * the chain begins late now, which only an anchor excuses, and each one since then repeats those heads.
 *
 * `undefined` when nothing (more) can be dropped.
 */
export function planPrune(
  survey: Survey,
  checkpoint: readonly ChainHead[],
  anchor: Anchor,
): PrunePlan | undefined {
  const { chains } = survey
  const covered = coveredHeads(survey, [...checkpoint, ...anchor.heads])
  const before = new Map(anchor.dropped.map((head) => [head.chain, head]))
  const dropped: ChainHead[] = []
  for (const [chain, { candidate }] of chains) {
    const cover = covered.get(chain)
    if (candidate === undefined || cover === undefined) continue
    const last = candidate.seq <= cover.seq ? candidate : cover
    if (last.seq > (before.get(chain)?.seq ?? -1)) dropped.push(last)
  }
  if (dropped.length === 0) return undefined
  const all = new Map(before)
  for (const head of dropped) all.set(head.chain, head)
  const released = dropped.flatMap((head) => chains.get(head.chain)?.named ?? [])
  const heads = highest([...anchor.heads, ...released]).filter(
    (head) => head.seq > (all.get(head.chain)?.seq ?? -1),
  )
  return { dropped, anchor: { dropped: [...all.values()], heads } }
}

function coveredHeads(survey: Survey, signed: readonly ChainHead[]): ReadonlyMap<string, ChainHead> {
  const covered = new Map<string, ChainHead>()
  const waiting = [...signed]
  for (let head = waiting.pop(); head !== undefined; head = waiting.pop()) {
    const known = covered.get(head.chain)
    // Its opening need be followed once only, whichever head led to it.
    if (known === undefined) waiting.push(...(survey.chains.get(head.chain)?.named ?? []))
    if (known === undefined || known.seq < head.seq) covered.set(head.chain, head)
  }
  return covered
}

function highest(heads: readonly ChainHead[]): readonly ChainHead[] {
  const result = new Map<string, ChainHead>()
  for (const head of heads) {
    if ((result.get(head.chain)?.seq ?? -1) < head.seq) result.set(head.chain, head)
  }
  return [...result.values()]
}
