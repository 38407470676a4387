import { expect, it, vi } from 'vitest'

it('remembers 10,000 at a time, lets nothing in beyond them, and forgets those that have expired', async () => {
  // A memory of its own: other tests of this process have left something in the one they share.
  vi.resetModules()
  const { errorThrownBy } = await import('../test-support/fakes.ts')
  const { rememberHere } = await import('./replay-memory.ts')
  for (let serial = 0; serial < 10_000; serial++)
    expect(rememberHere(`k${serial}`, 1000 + (serial % 2), 0)).toBe(false)
  expect(rememberHere('k0', 1000, 0)).toBe(true)
  expect(errorThrownBy(() => rememberHere('one more', 2000, 999)).code).toBe('unavailable')
  expect(rememberHere('one more', 2000, 1000)).toBe(false)
  expect(rememberHere('one more', 2000, 1000)).toBe(true)
  // Only what had expired was forgotten.
  expect(rememberHere('k1', 1001, 1000)).toBe(true)
  expect(rememberHere('k0', 2000, 1000)).toBe(false)
})
