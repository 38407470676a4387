import type { TokenResponse } from '@valetkey/protocol'
import type { Flight } from '../exchange/flight.ts'
import { type CheckedRequest, isPlainlySame, requestKey } from '../request/token-request.ts'
import type { Windows } from './windows.ts'

/** One cached token, or the memory of a rejected one. */
export interface Entry {
  readonly partition: Partition
  readonly request: CheckedRequest
  /** Undefined when the token was rejected: what is left of it is for the exchange that replaces it. */
  response: TokenResponse | undefined
  /** The id of the rejected token, if it had one. */
  rejectedTokenId: string | undefined
  /** When this token came in place of a rejected one, in ms. */
  replacedAtMs: number | undefined
  windows: Windows
  /** When this token was first seen, in ms: the start of its life as far as this process knows. */
  firstSeenMs: number
  /** No background renewal before this time. */
  renewAfterMs: number
  /** A token that arrived expiring is served until then rather than asked for again. */
  holdUntilMs: number
}

/** What belongs to one caller at one issuing point. Callers in different partitions share nothing. */
export interface Partition {
  /** By request key. */
  readonly entries: Map<string, Entry>
  /** The entry last used, by connector and by the subject's id: a look-up that makes no key. */
  readonly recent: Map<string, Map<string, Entry>>
  /** By request key. */
  readonly flights: Map<string, Flight>
  readonly siblings: Map<string, Partition>
  /** The issuing point's id. */
  readonly pointId: string
  /** The kind of credential. */
  readonly kind: string
  /** The credential, or its source's configuration. */
  readonly name: string
}

/** Tokens by partition and key, the least recently used leaving first. */
export interface TokenCache {
  readonly maxEntries: number
  /** By issuing point and kind of credential, then by credential: a long credential is never concatenated. */
  readonly groups: Map<string, Map<string, Partition>>
  /** Every entry, in the order of use: a set keeps the order of insertion, and both ends cost the same. */
  readonly byUse: Set<Entry>
  /** The last of them. Most calls use it again, and then nothing moves. */
  newest: Entry | undefined
  /** The partition of the last call. Comparing with it is cheaper than hashing a long credential again. */
  last: Partition | undefined
}

export function createTokenCache(maxEntries: number): TokenCache {
  return { maxEntries, groups: new Map(), byUse: new Set(), newest: undefined, last: undefined }
}

/** The partition of a caller, if it has anything cached or in flight. */
export function findPartition(
  cache: TokenCache,
  pointId: string,
  kind: string,
  name: string,
): Partition | undefined {
  const { last } = cache
  if (last !== undefined && last.name === name && last.kind === kind && last.pointId === pointId) return last
  const partition = cache.groups.get(groupOf(pointId, kind))?.get(name)
  if (partition !== undefined) cache.last = partition
  return partition
}

/** The partition of a caller. It stays while it holds an entry or a flight. */
export function ensurePartition(cache: TokenCache, pointId: string, kind: string, name: string): Partition {
  const found = findPartition(cache, pointId, kind, name)
  if (found !== undefined) return found
  const group = groupOf(pointId, kind)
  let siblings = cache.groups.get(group)
  if (siblings === undefined) {
    siblings = new Map()
    cache.groups.set(group, siblings)
  }
  const partition: Partition = {
    entries: new Map(),
    recent: new Map(),
    flights: new Map(),
    siblings,
    pointId,
    kind,
    name,
  }
  siblings.set(name, partition)
  cache.last = partition
  return partition
}

// Kinds are this package's own words and hold no space.
function groupOf(pointId: string, kind: string): string {
  return `${kind} ${pointId}`
}

/** Forgets a partition that holds nothing, so that callers who come once leave nothing behind. */
export function dropIfEmpty(cache: TokenCache, partition: Partition): void {
  if (partition.entries.size > 0 || partition.flights.size > 0) return
  if (partition.siblings.get(partition.name) === partition) partition.siblings.delete(partition.name)
  if (cache.last === partition) cache.last = undefined
}

export function* allPartitions(cache: TokenCache): Iterable<Partition> {
  for (const siblings of cache.groups.values()) yield* siblings.values()
}

/** The entry of a request. */
export function findEntry(partition: Partition, request: CheckedRequest): Entry | undefined {
  const recent = partition.recent.get(request.connector)?.get(request.subject.id)
  if (recent !== undefined && isPlainlySame(recent.request, request)) return recent
  const entry = partition.entries.get(requestKey(request))
  if (entry !== undefined) remember(entry)
  return entry
}

function remember(entry: Entry): void {
  const { connector, subject } = entry.request
  const { recent } = entry.partition
  const bySubject = recent.get(connector)
  if (bySubject === undefined) recent.set(connector, new Map([[subject.id, entry]]))
  else bySubject.set(subject.id, entry)
}

/** Puts an entry in, in place of an older one of its key, and lets the least recently used one go if there are too many. */
export function putEntry(cache: TokenCache, entry: Entry): void {
  const { entries } = entry.partition
  const key = requestKey(entry.request)
  const previous = entries.get(key)
  if (previous !== undefined) cache.byUse.delete(previous)
  entries.set(key, entry)
  remember(entry)
  touch(cache, entry)
  if (cache.byUse.size <= cache.maxEntries) return
  for (const oldest of cache.byUse) {
    removeEntry(cache, oldest)
    return
  }
}

export function removeEntry(cache: TokenCache, entry: Entry): void {
  const { connector, subject } = entry.request
  const { entries, recent } = entry.partition
  entries.delete(requestKey(entry.request))
  const bySubject = recent.get(connector)
  if (bySubject?.get(subject.id) === entry) {
    bySubject.delete(subject.id)
    if (bySubject.size === 0) recent.delete(connector)
  }
  cache.byUse.delete(entry)
  if (cache.newest === entry) cache.newest = undefined
  dropIfEmpty(cache, entry.partition)
}

/** Marks an entry as just used. */
export function touch(cache: TokenCache, entry: Entry): void {
  if (cache.newest === entry) return
  cache.newest = entry
  cache.byUse.delete(entry)
  cache.byUse.add(entry)
}
