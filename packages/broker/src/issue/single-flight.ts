/** Runs work once for all who ask for the same at the same moment; for each `owner` and each flight apart. */
export type SingleFlight<Owner extends object, Result> = (
  owner: Owner,
  key: string,
  work: () => Promise<Result>,
) => Promise<Result>

/** Creates a flight; it holds nothing of an owner that is gone. */
export function createSingleFlight<Owner extends object, Result>(): SingleFlight<Owner, Result> {
  const underWay = new WeakMap<Owner, Map<string, Promise<Result>>>()
  return (owner, key, work) => {
    const flights = underWay.get(owner) ?? new Map<string, Promise<Result>>()
    underWay.set(owner, flights)
    const joined = flights.get(key)
    if (joined !== undefined) return joined
    const flight = work().finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }
}
