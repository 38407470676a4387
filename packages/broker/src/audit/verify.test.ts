import { describe, expect, it } from 'vitest'
import { type ChainHead, type ExportedEvent, genesisHash, linkHash, sealEvent } from './chain.ts'
import type { VerifiedCheckpoint } from './checkpoint.ts'
import { chainOf, headOf, rehashed } from './test-chains.ts'
import { sampleEvent, stream } from './test-databases.ts'
import { verifyAuditTrail } from './verify.ts'

function signed(heads: readonly ChainHead[], signedAtMs = 5000): VerifiedCheckpoint {
  return { trusted: true, issuer: 'https://broker.test', signedAtMs, heads }
}

function replaced(
  rows: readonly ExportedEvent[],
  index: number,
  change: Partial<ExportedEvent>,
): ExportedEvent[] {
  return rows.map((row, at) => (at === index ? { ...row, ...change } : row))
}

const first = chainOf('a', 5)
const second = chainOf('b', 3, [headOf(first)])
const third = chainOf('c', 2, [headOf(second)])
const trail = [...third, ...second, ...first]

const verify = (rows: readonly ExportedEvent[], checkpoints: readonly VerifiedCheckpoint[] = []) =>
  verifyAuditTrail(stream(rows), checkpoints)

describe('verifying a trail', () => {
  it('S29 finds an untouched trail valid, its tail unproven without a checkpoint and proven with one', async () => {
    expect(await verify(trail)).toEqual({ valid: true, events: 13, tail: 'unproven' })
    expect(await verify(trail, [signed([headOf(third)]), signed([headOf(second)], 9000)])).toEqual({
      valid: true,
      events: 13,
      tail: 'proven',
      provenUntilMs: 9000,
    })
    expect(await verify([])).toEqual({ valid: true, events: 0, tail: 'unproven' })
  })

  it('S29 finds an edit, naming chain and event', async () => {
    const body = first[2]?.body.replace('repo:a/b', 'repo:a/c') ?? ''
    expect(await verify(replaced(first, 2, { body }))).toEqual({
      valid: false,
      events: 3,
      tail: 'unproven',
      problem: 'chain a, event 2: its text is not what was hashed',
    })
  })

  it('S29 finds an edit whose own hash was made to fit', async () => {
    const [row] = first.slice(2)
    const body = row?.body.replace('repo:a/b', 'repo:a/c') ?? ''
    const hash = linkHash(row?.previousHash ?? '', body)
    expect((await verify(replaced(first, 2, { body, hash }))).problem).toBe(
      'chain a, event 3: does not continue the event before',
    )
  })

  it('S29 finds a deletion in the middle', async () => {
    expect((await verify(first.filter((row) => row.seq !== 3))).problem).toBe(
      'chain a, event 4: event 3 is due here',
    )
    expect((await verify(first.slice(1))).problem).toBe(
      'chain a, event 1: event 0 is due here, and no signed anchor says that what came before was dropped',
    )
  })

  it('S29 finds an insertion and a doubled event', async () => {
    const doubled = [...first.slice(0, 3), ...first.slice(2)]
    expect((await verify(doubled)).problem).toBe('chain a, event 2: event 3 is due here')
    const [one, two, ...rest] = first
    if (one === undefined || two === undefined) throw new Error('no rows')
    const forged = sealEvent(sampleEvent(9), { chain: 'a', seq: 2, at: 1, previousHash: two.hash })
    expect((await verify([one, two, { position: 99, ...forged }, ...rest])).problem).toBe(
      'chain a, event 2: event 3 is due here',
    )
  })

  it('S29 finds a swap, whatever is renumbered', async () => {
    const [opening, one, two, ...rest] = first
    if (opening === undefined || one === undefined || two === undefined) throw new Error('no rows')
    expect((await verify([opening, two, one, ...rest])).valid).toBe(false)
    const renumbered = [opening, { ...two, seq: 1 }, { ...one, seq: 2 }, ...rest]
    expect((await verify(renumbered)).problem).toBe('chain a, event 1: does not continue the event before')
    const bodies = [opening, { ...one, body: two.body }, { ...two, body: one.body }, ...rest]
    expect((await verify(bodies)).problem).toBe('chain a, event 1: its text is not what was hashed')
    const relinked = rehashed(
      [opening, { ...one, body: two.body }, { ...two, body: one.body }, ...rest],
      (row) => row,
    )
    expect((await verify(relinked)).problem).toBe('chain a, event 1: its column seq disagrees with its body')
  })

  it('S29 finds a deleted whole chain that a later one names', async () => {
    expect((await verify([...third, ...second])).problem).toBe(
      'chain a, event 5: the opening of chain b names it, but the whole chain is missing',
    )
    expect((await verify([...third, ...first])).problem).toBe(
      'chain b, event 3: the opening of chain c names it, but the whole chain is missing',
    )
    expect((await verify(third)).valid).toBe(false)
  })

  it('S29 finds the newest chain deleted only against a checkpoint', async () => {
    const left = [...second, ...first]
    expect(await verify(left)).toMatchObject({ valid: true, tail: 'unproven' })
    expect(await verify(left, [signed([headOf(third)])])).toEqual({
      valid: false,
      events: 10,
      tail: 'unproven',
      problem: 'chain c, event 2: checkpoint 1 names it, but the whole chain is missing',
    })
  })

  it('S29 finds a truncated tail against a checkpoint, and says unproven without one', async () => {
    const cut = first.slice(0, 4)
    expect(await verify(cut)).toEqual({ valid: true, events: 4, tail: 'unproven' })
    expect(await verify(cut, [signed([headOf(first)])])).toMatchObject({
      valid: false,
      tail: 'unproven',
      problem: 'chain a, event 5: checkpoint 1 names it, but the chain ends at event 3',
    })
  })

  it('S29 finds a truncated tail that a later opening names', async () => {
    expect((await verify([...third, ...second, ...first.slice(0, 5)])).problem).toBe(
      'chain a, event 5: the opening of chain b names it, but the chain ends at event 4',
    )
  })

  it('S29 finds a forged tail, hashed anew, against a checkpoint', async () => {
    const edit = (row: ExportedEvent) =>
      row.seq === 4 ? { ...row, body: row.body.replace('repo:a/b', 'repo:a/c') } : row
    const forged = rehashed(first, edit)
    expect(await verify(forged)).toMatchObject({ valid: true, tail: 'unproven' })
    for (const seen of [first, first.slice(0, 5)]) {
      expect(await verify(forged, [signed([headOf(seen)])])).toMatchObject({
        valid: false,
        problem: `chain a, event ${seen.length - 1}: not the event that checkpoint 1 names`,
      })
    }
    // A checkpoint from before the forged part can't know.
    expect(await verify(forged, [signed([headOf(first.slice(0, 4))])])).toMatchObject({ tail: 'proven' })
    expect((await verify([...second, ...forged])).problem).toBe(
      'chain a, event 5: not the event that the opening of chain b names',
    )
  })

  it.each([
    ['kind', 'token_refused'],
    ['code', 'forbidden'],
    ['requestId', 'req_other'],
    ['projectId', null],
    ['environment', 'preview'],
    ['connectorId', 'scl_2'],
    ['at', 7],
  ] as const)('S29 finds a relabelled column: %s', async (column, value) => {
    expect((await verify(replaced(first, 2, { [column]: value }))).problem).toBe(
      `chain a, event 2: its column ${column} disagrees with its body`,
    )
  })

  it('S29 finds events moved to another chain', async () => {
    const moved = first.map((row) => ({ ...row, chain: 'z' }))
    expect((await verify(moved)).problem).toBe('chain z, event 0: its column chain disagrees with its body')
  })

  it('S29 holds claims on the last dropped event against the anchor, and takes earlier ones as met', async () => {
    const anchor = {
      trusted: true,
      signedAtMs: 9000,
      dropped: [headOf(first.slice(0, 3))],
      heads: [],
    } as const
    const left = [...second, ...first.slice(3)]
    const against = (head: ChainHead) => verifyAuditTrail(stream(left), [signed([head])], { anchor })
    const whole = { valid: true, events: 7, dropped: 3 }
    expect(await against(headOf(first.slice(0, 3)))).toMatchObject({ ...whole, tail: 'proven' })
    expect(await against(headOf(first.slice(0, 2)))).toEqual({ ...whole, tail: 'unproven' })
    expect((await against({ ...headOf(first.slice(0, 3)), hash: '0'.repeat(64) })).problem).toBe(
      'chain a, event 2: not the event that checkpoint 1 names',
    )
    expect(
      (await verifyAuditTrail(stream([...second, ...first.slice(4)]), [], { anchor })).problem,
    ).toContain('event 3 is due here: the anchor drops no more')
  })

  it('S29 accepts no untrusted checkpoint, and says so', async () => {
    const untrusted = { trusted: false, problem: "the checkpoint's signature is wrong" } as const
    expect(await verify(trail, [signed([headOf(third)]), untrusted])).toEqual({
      valid: false,
      events: 13,
      tail: 'unproven',
      problem: "checkpoint 2: the checkpoint's signature is wrong",
    })
  })

  it('takes a checkpoint without heads for no proof', async () => {
    expect((await verify(trail, [signed([])])).tail).toBe('unproven')
  })

  it('refuses a body that two parsers could read differently, or that is no event', async () => {
    const bodies = [
      '[',
      '[]',
      '1',
      `{"kind":"x",${first[1]?.body.slice(1)}`,
      first[1]?.body.replace('"v":1', '"v":2'),
    ]
    for (const body of bodies) {
      const forged = rehashed(first, (row) => (row.seq === 1 ? { ...row, body: body ?? '' } : row))
      expect(await verify(forged)).toMatchObject({ valid: false, events: 2 })
    }
  })

  it('refuses an opening that is none, or stands elsewhere', async () => {
    const plain = sealEvent(sampleEvent(0), { chain: 'a', seq: 0, at: 1, previousHash: genesisHash })
    expect((await verify([{ position: 1, ...plain }])).problem).toContain('not the kind of event due here')
    const opening = { kind: 'chain_opened' as const, actor: { type: 'broker' as const } }
    const empty = sealEvent(opening, { chain: 'a', seq: 0, at: 1, previousHash: genesisHash })
    expect((await verify([{ position: 1, ...empty }])).problem).toContain('names no heads')
    const [start] = first
    if (start === undefined) throw new Error('no rows')
    const twice = sealEvent(opening, { chain: 'a', seq: 1, at: 1, previousHash: start.hash })
    expect((await verify([start, { position: 2, ...twice }])).problem).toContain(
      'not the kind of event due here',
    )
  })

  it('refuses chains in pieces or out of order rather than passing over what it can not check', async () => {
    expect((await verify([...first.slice(0, 2), ...second, ...first.slice(2)])).valid).toBe(false)
    expect((await verify([...first, ...second, ...first])).problem).toBe(
      'chain a, event 0: the chain stands in more than one piece',
    )
    const partial = chainOf('d', 1, [headOf(first.slice(0, 3))])
    expect((await verify([...partial, ...first])).valid).toBe(true)
    expect((await verify([...first, ...partial])).problem).toBe(
      'chain a, event 2: the opening of chain d names it, but comes after it',
    )
  })

  it('holds the checkpoint at the end of an export against it, but takes it for no proof', async () => {
    const closing = (heads: readonly ChainHead[]) => ({ closing: async () => [signed(heads)] })
    expect(await verifyAuditTrail(stream(trail), [], closing([headOf(third)]))).toMatchObject({
      valid: true,
      tail: 'unproven',
    })
    expect((await verifyAuditTrail(stream(third.slice(0, 2)), [], closing([headOf(third)]))).valid).toBe(
      false,
    )
    expect((await verifyAuditTrail(stream(first.slice(0, 4)), [], closing([headOf(first)]))).problem).toBe(
      'chain a, event 5: the checkpoint at the end of the export names it, but the chain ends at event 3',
    )
    expect((await verifyAuditTrail(stream(trail), [], { closing: async () => [] })).problem).toContain(
      'it was cut',
    )
  })
})
