import { expect, it } from 'vitest'
import { renewalPauseMs, tokenState, windowsOf } from './windows.ts'

const hour = 3_600_000

it('renews a token up to five minutes before it starts to expire', () => {
  const windows = windowsOf(hour, 0, 0)
  const expiringAt = hour - 30_000
  expect(tokenState(windows, 30_000, expiringAt - 300_001)).toBe('fresh')
  expect(tokenState(windows, 30_000, expiringAt - 300_000)).toBe('ageing')
  expect(tokenState(windows, 30_000, expiringAt - 1)).toBe('ageing')
  expect(tokenState(windows, 30_000, expiringAt)).toBe('expiring')
  expect(tokenState(windows, 30_000, hour - 1)).toBe('expiring')
  expect(tokenState(windows, 30_000, hour)).toBe('expired')
})

it('renews a short token for a fifth of its life', () => {
  const windows = windowsOf(400, 0, 0)
  expect([219, 220, 300].map((at) => tokenState(windows, 100, at))).toEqual(['fresh', 'ageing', 'expiring'])
})

it('never lets the buffer exceed half of the life', () => {
  const windows = windowsOf(20_000, 0, 0)
  expect(tokenState(windows, 30_000, 9999)).toBe('ageing')
  expect(tokenState(windows, 30_000, 10_000)).toBe('expiring')
  expect(tokenState(windows, 30_000, 0)).toBe('fresh')
})

it('shortens the ageing window by up to a fifth', () => {
  expect(windowsOf(hour, 0, 1).ageingMs).toBe(240_000)
  expect(windowsOf(hour, 0, 0).ageingMs).toBe(300_000)
})

it('leaves the issuing point alone for one to thirty seconds after a renewal that brought nothing', () => {
  expect(renewalPauseMs(500, 0)).toBe(1000)
  expect(renewalPauseMs(100_000, 0)).toBe(10_000)
  expect(renewalPauseMs(hour, 0)).toBe(30_000)
})
