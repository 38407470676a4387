// Trails to drop beginnings of, for the tests of retention; not part of the package.
import { type Anchor, createAnchorSigner, verifyAnchor } from './anchor.ts'
import { readAnchor } from './anchor-store.ts'
import { createCheckpointSigner, verifyCheckpoint } from './checkpoint.ts'
import { exportLines } from './export.ts'
import { dropAuditBefore, type PruneContext } from './prune.ts'
import {
  allRows,
  makeTrail,
  publicUrl,
  sampleEvent,
  stream,
  type TestDatabase,
  type TestKey,
} from './test-databases.ts'
import type { AuditTrail } from './trail.ts'
import { type AuditVerification, verifyAuditTrail } from './verify.ts'

/** What the tests do with a trail. */
export interface Pruning {
  readonly clock: { now: number }
  readonly now: () => number
  readonly replica: () => AuditTrail
  readonly sign: (anchor: Anchor) => Promise<string>
  readonly append: (trail: AuditTrail, count: number) => Promise<void>
  readonly context: (audit: AuditTrail, more?: Partial<PruneContext>) => PruneContext
  readonly prune: (
    audit: AuditTrail,
    before: number,
    more?: Partial<PruneContext>,
  ) => ReturnType<typeof dropAuditBefore>
  readonly verified: (...checkpoints: readonly string[]) => Promise<AuditVerification>
  readonly exported: () => Promise<string[]>
  readonly seqs: () => Promise<number[]>
  /** Two processes of which the second opened after the first; both wrote at 1000 and at 5000. */
  readonly twoChains: () => Promise<{ readonly first: AuditTrail; readonly second: AuditTrail }>
}

/** On a database that is there once the tests run. */
export function pruning(database: () => TestDatabase, key: () => TestKey): Pruning {
  const clock = { now: 1000 }
  const now = () => clock.now

  const replica = () => makeTrail(database(), key(), { now }).trail
  const sign = (anchor: Anchor) => createAnchorSigner({ key: key(), publicUrl, now })(anchor)
  async function append(trail: AuditTrail, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, n) => trail.append(sampleEvent(n))))
  }
  const context = (audit: AuditTrail, more: Partial<PruneContext> = {}): PruneContext => ({
    db: database().db,
    audit,
    now,
    log: () => {},
    keys: key().keys,
    sign,
    ...more,
  })
  const prune = (audit: AuditTrail, before: number, more: Partial<PruneContext> = {}) =>
    dropAuditBefore(context(audit, more), { before, actor: { type: 'broker' } })
  async function anchorOption() {
    const jws = await readAnchor(database().db)
    return jws === undefined ? {} : { anchor: await verifyAnchor(jws, key()) }
  }
  async function verified(...checkpoints: readonly string[]): Promise<AuditVerification> {
    const trusted = await Promise.all(checkpoints.map((jws) => verifyCheckpoint(jws, key())))
    return verifyAuditTrail(stream(await allRows(database())), trusted, await anchorOption())
  }
  async function exported(): Promise<string[]> {
    const lines: string[] = []
    const checkpoints = createCheckpointSigner({ key: key(), publicUrl, now })
    const options = { db: database().db, now, publicUrl, keys: key().keys, sign: checkpoints }
    for await (const line of exportLines(options)) lines.push(line)
    return lines
  }
  const seqs = async () => (await allRows(database())).map((row) => row.seq)

  async function twoChains(): Promise<{ first: AuditTrail; second: AuditTrail }> {
    const [first, second] = [replica(), replica()]
    await append(first, 3)
    await append(second, 3)
    clock.now = 5000
    await append(first, 2)
    await append(second, 2)
    return { first, second }
  }

  return { clock, now, replica, sign, append, context, prune, verified, exported, seqs, twoChains }
}
