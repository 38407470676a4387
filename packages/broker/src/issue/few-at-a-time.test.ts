import { expect, it } from 'vitest'
import { fewAtATime } from './few-at-a-time.ts'

it('works on so many at once, on so many of one kind, and on every one once', async () => {
  const items = [...Array.from({ length: 20 }, (_, n) => `slow ${n}`), 'other 1', 'other 2', 'third 1']
  const keyOf = (item: string) => item.slice(0, 5)
  const done: string[] = []
  const under: string[] = []
  let most = 0
  let mostSlow = 0
  await fewAtATime(items, { atOnce: 6, atOncePerKey: 4, keyOf }, async (item) => {
    under.push(item)
    most = Math.max(most, under.length)
    mostSlow = Math.max(mostSlow, under.filter((each) => keyOf(each) === 'slow ').length)
    await new Promise((resolve) => setTimeout(resolve, keyOf(item) === 'slow ' ? 5 : 1))
    under.splice(under.indexOf(item), 1)
    done.push(item)
  })
  expect([most, mostSlow]).toEqual([6, 4])
  expect(done.toSorted()).toEqual(items.toSorted())
})

it('lets nobody wait behind a kind that hangs', async () => {
  let release: () => void = () => {}
  const hanging = new Promise<void>((resolve) => {
    release = resolve
  })
  const done: string[] = []
  const all = fewAtATime(
    ['a', 'a', 'a', 'b', 'b', 'b'],
    { atOnce: 3, atOncePerKey: 2, keyOf: (item) => item },
    async (item) => {
      if (item === 'a') await hanging
      done.push(item)
    },
  )
  await expect.poll(() => done).toEqual(['b', 'b', 'b'])
  release()
  await all
  expect(done).toHaveLength(6)
})
