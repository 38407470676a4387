/** `error` and what it was made from, through `cause` and the errors of an `AggregateError`; each once. */
export function causesOf(error: unknown): readonly unknown[] {
  const found = new Set<unknown>([error])
  // A set is walked in the order of insertion, and what is added meanwhile is walked too.
  for (const each of found) {
    if (!(each instanceof Error)) continue
    if (each.cause !== undefined) found.add(each.cause)
    if (each instanceof AggregateError) for (const inner of each.errors) found.add(inner)
  }
  return [...found]
}
