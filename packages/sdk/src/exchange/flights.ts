import type { TokenResponse } from '@valetkey/protocol'
import {
  dropIfEmpty,
  type Entry,
  type Partition,
  putEntry,
  removeEntry,
  type TokenCache,
} from '../cache/token-cache.ts'
import { renewalPauseMs, tokenState, windowsOf } from '../cache/windows.ts'
import type { Context } from '../client/context.ts'
import { emit } from '../client/events.ts'
import { asConnectError, type ConnectError } from '../errors/connect-error.ts'
import { endsToken } from '../errors/ends-token.ts'
import type { FoundIdentity } from '../identity/identity-source.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { CheckedOptions } from '../request/call-options.ts'
import { type CheckedRequest, requestKey } from '../request/token-request.ts'
import type { Flight } from './flight.ts'

/** One call, ready to be exchanged for a token. */
export interface Ask {
  readonly context: Context
  readonly destination: Destination
  readonly who: FoundIdentity
  readonly request: CheckedRequest
  readonly call: CheckedOptions
  readonly limitMs: number
}

/** Why an exchange is made. */
export interface Purpose {
  /** Nobody waits for it. */
  readonly background: boolean
  /** The ageing entry that it renews. */
  readonly replaces?: Entry
  /** The exchange that has to end first. */
  readonly after?: Flight
}

/** The exchange this call waits for: the one under way for its key, if its answer will do, else a new one. */
export function joinOrStart(ask: Ask, partition: Partition): Flight {
  const current = partition.flights.get(requestKey(ask.request))
  if (current === undefined) return startFlight(ask, partition, { background: false })
  // On some runtimes an exchange dies with the request that began it, unanswered: nobody may wait for it for ever.
  const ageMs = performance.now() - current.startedAtMs
  if (ageMs > Math.max(ask.limitMs, ask.context.timeoutMs)) {
    // Replaced rather than taken out: an empty partition leaves the cache, and the answer would be lost with it.
    current.detached = true
    return startFlight(ask, partition, { background: false })
  }
  if (!ask.call.forceRefresh || !current.sent) return current
  // Sent before this call, so it may not know of a grant revoked in between. One after the other, shared as well.
  current.next ??= startFlight(ask, partition, { background: false, after: current })
  return current.next
}

/** Starts an exchange, as the one under way for its key unless it comes after that. */
export function startFlight(ask: Ask, partition: Partition, purpose: Purpose): Flight {
  let begin: (result: Promise<TokenResponse>) => void = () => {}
  const flight: Flight = {
    request: ask.request,
    controller: new AbortController(),
    promise: new Promise((resolve) => {
      begin = resolve
    }),
    startedAtMs: performance.now(),
    waiters: 0,
    deadlineMs: 0,
    sent: false,
    detached: false,
    landed: false,
    next: undefined,
  }
  if (purpose.after === undefined) partition.flights.set(requestKey(ask.request), flight)
  begin(fly(ask, partition, flight, purpose))
  // When everybody has left, nobody handles its failure.
  flight.promise.catch(() => {})
  return flight
}

/** Takes an exchange out: its answer still goes to those who wait for it, and not into the cache. */
export function detach(cache: TokenCache, partition: Partition, flight: Flight): void {
  flight.detached = true
  const key = requestKey(flight.request)
  const current = partition.flights.get(key)
  if (current === flight) {
    if (flight.next !== undefined && !flight.next.detached) partition.flights.set(key, flight.next)
    else partition.flights.delete(key)
    dropIfEmpty(cache, partition)
  } else if (current?.next === flight) current.next = undefined
}

async function fly(ask: Ask, partition: Partition, flight: Flight, purpose: Purpose): Promise<TokenResponse> {
  // Also without a predecessor a turn passes here, in which other calls may join before anything is sent.
  await (purpose.after === undefined ? undefined : endOf(purpose.after))
  const { context, request } = ask
  const { connector } = request
  const { background, replaces } = purpose
  const identity = ask.who.source.name
  const startedAtMs = performance.now()
  emit(context, { type: 'exchange_started', connector, identity, background })
  const held = partition.entries.get(requestKey(request))
  const heldResponse = held?.response
  let failure: ConnectError | undefined
  try {
    // Loaded with the first exchange: an application starts with no more than what finds a token and waits for one.
    const { exchange } = await import('./exchange.ts')
    const rejected = partition.entries.get(requestKey(request))?.rejectedTokenId
    const response = await exchange(ask, flight, replaces, rejected, background)
    if (!flight.detached) store(ask, partition, response)
    return response
  } catch (error) {
    failure = asConnectError(error, connector)
    if (held !== undefined && heldResponse !== undefined && endsToken(failure.code))
      evictHeld(ask, held, heldResponse)
    if (replaces !== undefined) {
      const nowMs = context.now()
      replaces.renewAfterMs = nowMs + renewalPauseMs(replaces.windows.expiresAtMs, nowMs)
    }
    throw failure
  } finally {
    flight.landed = true
    detach(context.cache, partition, flight)
    const durationMs = performance.now() - startedAtMs
    emit(context, {
      type: 'exchange_finished',
      connector,
      identity,
      background,
      durationMs,
      ...(failure === undefined ? undefined : { code: failure.code }),
    })
  }
}

/** The issuing point has just refused what `held` was an answer to. A token that came meanwhile stays. */
function evictHeld({ context, request }: Ask, held: Entry, heldResponse: TokenResponse): void {
  if (held.partition.entries.get(requestKey(request)) !== held || held.response !== heldResponse) return
  removeEntry(context.cache, held)
  emit(context, { type: 'cache_evicted', connector: request.connector, entries: 1 })
}

function endOf(flight: Flight): Promise<unknown> {
  const cancelled = new Promise<void>((resolve) => {
    flight.controller.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  return Promise.race([flight.promise.catch(() => {}), cancelled])
}

function store(ask: Ask, partition: Partition, response: TokenResponse): void {
  const { context, request } = ask
  const nowMs = context.now()
  const previous = partition.entries.get(requestKey(request))
  // The same token again: its life began when it was first seen, or its last second would count as a long life.
  const isSame = previous?.response?.token === response.token
  const firstSeenMs = isSame ? previous.firstSeenMs : nowMs
  const replacedAtMs = previous !== undefined && previous.response === undefined ? nowMs : undefined
  const windows = windowsOf(response.expiresAt, firstSeenMs, Math.random())
  const arrivedExpiring = tokenState(windows, Number.POSITIVE_INFINITY, nowMs) === 'expiring'
  putEntry(context.cache, {
    partition,
    request,
    response,
    rejectedTokenId: undefined,
    replacedAtMs: isSame ? previous.replacedAtMs : replacedAtMs,
    windows,
    firstSeenMs,
    renewAfterMs: isSame ? nowMs + renewalPauseMs(response.expiresAt, nowMs) : 0,
    holdUntilMs: arrivedExpiring ? nowMs + 1000 : 0,
  })
}
