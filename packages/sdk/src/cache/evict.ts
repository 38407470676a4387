import { detach } from '../exchange/flights.ts'
import { reject } from '../exchange/replace-rejected.ts'
import { type CheckedSubject, isSameSubject } from '../request/subject.ts'
import { requestKey } from '../request/token-request.ts'
import { allPartitions, type Entry, type Partition, removeEntry, type TokenCache } from './token-cache.ts'

/**
 * Forgets one key in one partition, or in all of them, and returns how many tokens that were. An exchange under way
 * for it no longer reaches the cache: it may bring back the very token.
 *
 * The ids of the forgotten tokens are kept for the next exchange, so that an issuing point which stores them replaces
 * them too.
 */
export function evictKey(
  cache: TokenCache,
  key: string,
  only: Partition | undefined,
  everywhere: boolean,
): number {
  let evicted = 0
  for (const partition of everywhere ? [...allPartitions(cache)] : only === undefined ? [] : [only]) {
    const entry = partition.entries.get(key)
    if (entry?.response !== undefined) {
      evicted++
      reject(entry)
    }
    detachFlights(cache, partition, (flightKey) => flightKey === key)
  }
  return evicted
}

/**
 * Forgets every token of one connector and subject in one partition, of one installation if it is named, and returns
 * how many. Tokens cached under the connector's other name (id and UID) are found by what their answers said.
 */
export function evictGrant(
  cache: TokenCache,
  partition: Partition,
  connector: string,
  subject: CheckedSubject,
  installationId: string | undefined,
): number {
  const names = new Set([connector])
  for (const entry of partition.entries.values()) {
    const named = entry.response?.connector
    if (named !== undefined && [entry.request.connector, named.id, named.uid].includes(connector))
      names.add(entry.request.connector)
  }
  const isMeant = (entry: Pick<Entry, 'request'>): boolean =>
    names.has(entry.request.connector) &&
    isSameSubject(entry.request.subject, subject) &&
    (installationId === undefined || entry.request.installationId === installationId)
  const meant = [...partition.entries.values()].filter(isMeant)
  for (const entry of meant) removeEntry(cache, entry)
  const flights = new Set(
    [...partition.flights.values()].filter(isMeant).map((flight) => requestKey(flight.request)),
  )
  detachFlights(cache, partition, (key) => flights.has(key))
  return meant.length
}

function detachFlights(cache: TokenCache, partition: Partition, isMeant: (key: string) => boolean): void {
  // One that waits its turn stays: it has not asked yet, so it will be told the truth.
  for (const [key, flight] of [...partition.flights]) if (isMeant(key)) detach(cache, partition, flight)
}
