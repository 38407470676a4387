import { expect, it } from 'vitest'
import { type ChainHead, type ExportedEvent, headsToName } from './chain.ts'
import { createSurvey, planPrune } from './prune-plan.ts'
import { chainOf, headOf } from './test-chains.ts'

// Event n of a chain is of the time 1000 + n.
const first = chainOf('a', 5)
const second = chainOf('b', 3, [headOf(first)])
const third = chainOf('c', 2, [headOf(second)])
const trail = [...third, ...second, ...first]
const nothing = { dropped: [], heads: [] }

function plan(
  rows: readonly ExportedEvent[],
  before: number,
  checkpoint: readonly ChainHead[],
  anchor: Parameters<typeof planPrune>[2] = nothing,
) {
  const survey = createSurvey(before)
  for (const row of rows) survey.row(row)
  return planPrune(survey, checkpoint, anchor)
}
const lastOf = (heads: readonly ChainHead[] = []) =>
  Object.fromEntries(heads.map(({ chain, seq }) => [chain, seq]))

it('drops all that is old but the last event of each chain, covered by one head through the openings', () => {
  const planned = plan(trail, 9999, [headOf(third)])
  expect(lastOf(planned?.dropped)).toEqual({ a: 4, b: 2, c: 1 })
  expect(planned?.dropped.find(({ chain }) => chain === 'a')?.hash).toBe(first[4]?.hash)
})

it('drops nothing that is young, nor anything behind it', () => {
  expect(lastOf(plan(trail, 1002, [headOf(third)])?.dropped)).toEqual({ a: 1, b: 1, c: 1 })
  const clockSetBack = first.map((row) => (row.seq === 2 ? { ...row, at: 5000 } : row))
  expect(lastOf(plan(clockSetBack, 2000, [headOf(first)])?.dropped)).toEqual({ a: 1 })
  expect(plan(trail, 1000, [headOf(third)])).toBeUndefined()
})

it('S29 drops nothing that no signed statement covers', () => {
  expect(plan(trail, 9999, [])).toBeUndefined()
  expect(lastOf(plan(trail, 9999, [headOf(first.slice(0, 3))])?.dropped)).toEqual({ a: 2 })
  expect(lastOf(plan(trail, 9999, [headOf(second)])?.dropped)).toEqual({ a: 4, b: 2 })
})

it('S29 names in the anchor what the dropped openings named, and repeats what earlier anchors said', () => {
  const one = plan(trail, 1002, [headOf(third)])
  expect(one?.anchor.heads).toEqual([headOf(second), headOf(first)])
  const rest = trail.filter((row) => row.seq > 1)
  const newest = headsToName([headOf(third)], new Map())
  const two = plan(rest, 1004, newest, one?.anchor)
  expect(lastOf(two?.dropped)).toEqual({ a: 3, b: 2 })
  expect(lastOf(two?.anchor.dropped)).toEqual({ a: 3, b: 2, c: 1 })
  expect(two?.anchor.heads).toEqual(one?.anchor.heads)
  expect(plan(rest, 1002, newest, one?.anchor)).toBeUndefined()
})
