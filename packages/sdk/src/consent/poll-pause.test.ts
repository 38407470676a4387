import { expect, it } from 'vitest'
import { pollPauseMs } from './poll-pause.ts'

it('polls every 2 s at first and backs off to 5 s', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 1000].map((number) => pollPauseMs(number, 2000, null, 0, 0))
  expect(pauses).toEqual([2000, 2500, 3125, 3906.25, 4882.8125, 5000, 5000])
})

it('adds up to a tenth, and never takes away', () => {
  expect(pollPauseMs(1, 2000, null, 0, 1)).toBe(2200)
  expect(pollPauseMs(9, 2000, null, 0, 0.5)).toBe(5250)
})

it('keeps an interval that is longer than what it would back off to', () => {
  expect([1, 9].map((number) => pollPauseMs(number, 30_000, null, 0, 0))).toEqual([30_000, 30_000])
})

it('is never earlier than Retry-After asks, in seconds or as a date', () => {
  expect(pollPauseMs(1, 2000, '30', 0, 0)).toBe(30_000)
  expect(pollPauseMs(1, 2000, 'Thu, 01 Jan 1970 00:00:20 GMT', 0, 0)).toBe(20_000)
  expect(pollPauseMs(1, 2000, '1', 0, 0)).toBe(2000)
  expect(pollPauseMs(1, 2000, 'soon', 0, 0)).toBe(2000)
})
