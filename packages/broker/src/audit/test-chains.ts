// Chains made without a database, for the tests of this folder; not part of the package.
import { type ChainHead, type ExportedEvent, genesisHash, linkHash, sealEvent } from './chain.ts'
import { sampleEvent } from './test-databases.ts'

let position = 0

/** A chain of an opening and `count` events after it. */
export function chainOf(chain: string, count: number, heads: readonly ChainHead[] = []): ExportedEvent[] {
  const rows: ExportedEvent[] = []
  let previousHash = genesisHash
  for (let seq = 0; seq <= count; seq += 1) {
    const event =
      seq === 0
        ? { kind: 'chain_opened' as const, actor: { type: 'broker' as const }, details: { heads } }
        : sampleEvent(seq)
    position += 1
    const sealed = sealEvent(event, { chain, seq, at: 1000 + seq, previousHash })
    rows.push({ position, ...sealed })
    previousHash = sealed.hash
  }
  return rows
}

/** The rows with `edit` made and everything after it hashed anew, as somebody would who knows the format. */
export function rehashed(
  rows: readonly ExportedEvent[],
  edit: (row: ExportedEvent) => ExportedEvent,
): ExportedEvent[] {
  let previousHash = genesisHash
  return rows.map((row) => {
    const { body, ...rest } = edit(row)
    const hash = linkHash(previousHash, body)
    const linked = { ...rest, body, previousHash, hash }
    previousHash = hash
    return linked
  })
}

/** The head of a chain that ends with these rows. */
export function headOf(rows: readonly ExportedEvent[]): ChainHead {
  const last = rows.at(-1)
  if (last === undefined) throw new Error('no rows')
  return { chain: last.chain, seq: last.seq, hash: last.hash }
}
