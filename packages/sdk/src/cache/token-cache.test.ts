import { expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { countingFetch, testContext } from '../test-support/fakes.ts'

const userOf = (id: number) => ({ subject: { type: 'user', id: `u${id}` } }) as const

it('keeps the tokens used last, over all callers, and no partition that holds nothing', async () => {
  const fetch = countingFetch()
  const context = testContext({ fetch, cache: { maxEntries: 3 } })
  const ask = (caller: string, user: number) =>
    getTokenIn(context, 'c', userOf(user), { identityToken: caller })
  await ask('a', 1)
  await ask('a', 2)
  await ask('b', 1)
  await ask('a', 1)
  await ask('d', 1)
  expect(context.cache.byUse.size).toBe(3)
  expect(fetch.seen).toHaveLength(4)
  await ask('a', 1)
  await ask('b', 1)
  await ask('d', 1)
  expect(fetch.seen).toHaveLength(4)
  await ask('a', 2)
  expect(fetch.seen).toHaveLength(5)
  for (let caller = 0; caller < 50; caller++) await ask(`caller-${caller}`, 1)
  expect(context.cache.byUse.size).toBe(3)
  const partitions = [...context.cache.groups.values()].reduce((sum, siblings) => sum + siblings.size, 0)
  expect(partitions).toBe(3)
})
