/** How many at a time, in all and of one kind. */
export interface FewAtATime<Item> {
  readonly atOnce: number
  readonly atOncePerKey: number
  readonly keyOf: (item: Item) => string
}

/** Works through `items`, first come first served, a few at a time: a slow kind leaves room for others. `work` must not throw. */
export async function fewAtATime<Item>(
  items: readonly Item[],
  options: FewAtATime<Item>,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items]
  const busy = new Map<string, number>()
  const busyWith = (item: Item) => busy.get(options.keyOf(item)) ?? 0

  function takeNext(): Item | undefined {
    const index = waiting.findIndex((item) => busyWith(item) < options.atOncePerKey)
    return index === -1 ? undefined : waiting.splice(index, 1)[0]
  }
  // A worker that finds nothing may go: every kind that still waits has as many workers as it may have.
  async function workOn(): Promise<void> {
    for (let item = takeNext(); item !== undefined; item = takeNext()) {
      const key = options.keyOf(item)
      busy.set(key, busyWith(item) + 1)
      await work(item)
      busy.set(key, busyWith(item) - 1)
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, workOn))
}
