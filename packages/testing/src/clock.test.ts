import { expect, it } from 'vitest'
import { createClock } from './clock.ts'

it('a clock stands still until it is moved', () => {
  const { now, advance, set } = createClock(1_000)
  expect(now()).toBe(1_000)
  advance(500)
  expect(now()).toBe(1_500)
  set(10)
  expect(now()).toBe(10)
})

it('a clock begins with the present', () => {
  const before = Date.now()
  const { now } = createClock()
  expect(now()).toBeGreaterThanOrEqual(before)
  expect(now()).toBeLessThanOrEqual(Date.now())
})

it('a clock takes finite numbers, and goes backwards only by set', () => {
  const { advance, set } = createClock()
  expect(() => advance(-1)).toThrow(TypeError)
  expect(() => advance(Number.NaN)).toThrow(TypeError)
  expect(() => set(Number.NEGATIVE_INFINITY)).toThrow(TypeError)
  expect(() => createClock('1' as never)).toThrow(TypeError)
})
