import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import * as z from 'zod'
import type { AuditEvent } from './event.ts'

/** A place in a chain: everything up to `seq` is bound by `hash`. */
export interface ChainHead {
  readonly chain: string
  readonly seq: number
  readonly hash: string
}

/** An event in its place: what is stored, exported and verified. */
export interface SealedEvent extends ChainHead {
  readonly at: number
  readonly kind: string
  readonly code: string | null
  readonly requestId: string | null
  readonly projectId: string | null
  readonly environment: string | null
  readonly connectorId: string | null
  readonly body: string
  readonly previousHash: string
}

/** A sealed event as read back. `position` orders listings, is not hashed and proves nothing. */
export interface ExportedEvent extends SealedEvent {
  readonly position: number
}

/** What stands for the previous hash in event 0. */
export const genesisHash: string = '0'.repeat(64)

/** The version of the body's shape, its field `v`. */
export const bodyVersion = 1

/**
 * The hash that links an event to the one before it: SHA-256, in lower-case hex, of the UTF-8 bytes of
 * `previousHash`, one line feed (0x0A) and `body`. `previousHash` is the hash of the event with the `seq` one
 * lower, as 64 hex digits, or 64 zeros for event 0; `body` is the stored text, byte for byte. By hand, for one
 * event of an export in `event.json`:
 *
 * ```sh
 * jq -j '.previousHash + "\n" + .body' event.json | sha256sum   # must print its .hash
 * ```
 */
export function linkHash(previousHash: string, body: string): string {
  return createHash('sha256').update(`${previousHash}\n${body}`, 'utf8').digest('hex')
}

/** The columns that repeat a field of the body so that queries can find it. */
export type RepeatedColumn = 'kind' | 'code' | 'requestId' | 'projectId' | 'environment' | 'connectorId'

/**
 * What a column holds for a field of the body. PostgreSQL's text can't hold U+0000, which a caller can send in
 * a path: left in, one such event would fail the insert of everybody in its batch.
 */
export function columnText(value: unknown): string | null {
  return typeof value === 'string' ? value.replaceAll('\0', '\uFFFD') : null
}

/** RFC 8785 refuses lone surrogates, which an identity's claims may hold: they become U+FFFD. */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('utf8')
  if (Array.isArray(value)) return value.map(wellFormed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [wellFormed(name), wellFormed(part)]))
}

/**
 * Gives an event its place. The body is the canonical JSON (RFC 8785) of `{ v: 1, chain, seq, at, ...event }`.
 *
 * @throws when the event is no plain JSON (a BigInt, a cycle, NaN).
 */
export function sealEvent(
  event: AuditEvent,
  place: {
    readonly chain: string
    readonly seq: number
    readonly at: number
    readonly previousHash: string
  },
): SealedEvent {
  const { chain, seq, at, previousHash } = place
  // The place comes last: an event never overrides it.
  let full: AuditEvent = Object.assign({}, event, { v: bodyVersion, chain, seq, at })
  let body: string | undefined
  try {
    body = canonicalize(full)
  } catch {
    full = wellFormed(JSON.parse(JSON.stringify(full))) as AuditEvent
    body = canonicalize(full)
  }
  if (body === undefined) throw new TypeError('An audit event must be an object')
  return {
    chain,
    seq,
    at,
    kind: full.kind,
    code: columnText(full.code),
    requestId: columnText(full.requestId),
    projectId: columnText(full.projectId),
    environment: columnText(full.environment),
    connectorId: columnText(full.connectorId),
    body,
    previousHash,
    hash: linkHash(previousHash, body),
  }
}

/** Whether both name the same event with the same history. */
function sameHead(one: ChainHead | undefined, other: ChainHead): boolean {
  return one !== undefined && one.seq === other.seq && one.hash === other.hash
}

/** The shape of a head inside a body or a checkpoint. */
export const chainHeadSchema: z.ZodType<ChainHead> = z.object({
  chain: z.string().min(1).max(100),
  seq: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
})

const openingSchema = z.object({ details: z.object({ heads: z.array(chainHeadSchema) }) })

/** The heads that the body of a `chain_opened` names; `undefined` when it is not such a body. */
export function headsNamedBy(body: unknown): readonly ChainHead[] | undefined {
  return openingSchema.safeParse(body).data?.details.heads
}

/** As {@link headsNamedBy}, from the stored text; an opening that can't be read names nothing. */
export function headsInOpening(body: string): readonly ChainHead[] {
  try {
    return headsNamedBy(JSON.parse(body)) ?? []
  } catch {
    return []
  }
}

/**
 * Of the `heads` of all chains, those that must be named (in a new chain's opening, in a checkpoint) so that
 * every chain is bound.
 *
 * A chain whose present head is already named by some `chain_opened` needs no second mention: whoever cuts it
 * must change that opening, hence the chain it opens, which was opened later and is itself either in the result
 * or named by a chain opened later still. Following this ends at the newest chain, which nobody names. So one
 * opening or checkpoint holds about as many heads as there are live processes, however many chains a year of
 * restarts has left, and binds all of them.
 *
 * @param named for each chain the highest head that a `chain_opened` of one of the same chains names.
 */
export function headsToName(
  heads: Iterable<ChainHead>,
  named: ReadonlyMap<string, ChainHead>,
): readonly ChainHead[] {
  const result: ChainHead[] = []
  for (const head of heads) {
    if (!sameHead(named.get(head.chain), head)) {
      result.push({ chain: head.chain, seq: head.seq, hash: head.hash })
    }
  }
  return result.sort((one, other) => (one.chain < other.chain ? -1 : 1))
}

/** Keeps in `named` the highest head of each chain. */
export function rememberNamed(named: Map<string, ChainHead>, heads: readonly ChainHead[]): void {
  for (const head of heads) {
    const before = named.get(head.chain)
    if (before === undefined || before.seq < head.seq) named.set(head.chain, head)
  }
}
