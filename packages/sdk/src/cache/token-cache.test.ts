import { expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { countingFetch, testContext } from '../test-support/fakes.ts'
import { rejectToken } from './evict.ts'
import { findPartition } from './token-cache.ts'

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

it('evicts a rejected token once, and not the one that has replaced it', async () => {
  const fetch = countingFetch()
  const context = testContext({ fetch, identity: 'me' })
  const failed = await getTokenIn(context, 'c', userOf(1), undefined)
  const partition = findPartition(context.cache, 'https://broker.example', 'given', 'me')
  const key = [...(partition?.entries.keys() ?? [])][0] ?? ''
  if (partition === undefined) throw new Error('nothing cached')
  expect(rejectToken(context.cache, partition, key, 'another')).toBe(false)
  expect(rejectToken(context.cache, partition, key, failed)).toBe(true)
  expect(rejectToken(context.cache, partition, key, failed)).toBe(false)
  const replaced = await getTokenIn(context, 'c', userOf(1), undefined)
  expect(rejectToken(context.cache, partition, key, failed)).toBe(false)
  expect(await getTokenIn(context, 'c', userOf(1), undefined)).toBe(replaced)
  expect(fetch.seen).toHaveLength(2)
})
