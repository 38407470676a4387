import type { TokenResponse } from '@valetkey/protocol'
import {
  type Entry,
  ensurePartition,
  findEntry,
  findPartition,
  type Partition,
  touch,
} from '../cache/token-cache.ts'
import { defaultValidityBufferMs, tokenState } from '../cache/windows.ts'
import type { Context } from '../client/context.ts'
import { isWorkerd, vercelRequestContext } from '../client/environment.ts'
import { emit, observer } from '../client/events.ts'
import { ConnectError } from '../errors/connect-error.ts'
import { endsToken } from '../errors/ends-token.ts'
import { givenIdentity } from '../identity/given-identity.ts'
import type { FoundIdentity } from '../identity/identity-source.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import { type CheckedOptions, checkCallOptions } from '../request/call-options.ts'
import { type CheckedRequest, checkTokenRequest, requestKey } from '../request/token-request.ts'
import type { IdentityFunction } from '../request/types.ts'
import { askIdentityFunction } from './ask-identity-function.ts'
import { aborted, type Wait, waitFor, waitForFlight } from './flight.ts'
import { type Ask, detach, joinOrStart, startFlight } from './flights.ts'
import { whoAsks } from './who-asks.ts'

/**
 * A token: from the cache, and then at once and not as a promise, or by an exchange.
 *
 * The shared heart of `getToken` and `getTokenResponse`, which differ in what they take out of the answer. Being
 * synchronous for a cached token is what keeps those one promise away from it.
 */
export function acquire(
  context: Context,
  connector: string,
  params: unknown,
  options: unknown,
): TokenResponse | Promise<TokenResponse> {
  const request = checkTokenRequest(connector, params)
  const call = checkCallOptions(options)
  if (call.signal?.aborted) throw aborted(connector)
  const destination = context.destination()
  const who = whoAsks(context, destination, call)
  const limitMs = call.timeoutMs ?? context.timeoutMs
  return typeof who === 'function' || who instanceof Promise
    ? acquireLater(context, destination, who, request, call, limitMs)
    : acquireAs(context, destination, who, request, call, limitMs, limitMs)
}

/** As {@link acquireAs}, once it is known who asks. */
async function acquireLater(
  context: Context,
  destination: Destination,
  identity: IdentityFunction | Promise<FoundIdentity>,
  request: CheckedRequest,
  call: CheckedOptions,
  limitMs: number,
): Promise<TokenResponse> {
  const startedAtMs = performance.now()
  const wait: Wait = { timeoutMs: limitMs, limitMs, signal: call.signal, connector: request.connector }
  const who =
    typeof identity === 'function'
      ? givenIdentity(await askIdentityFunction(identity, destination.audience, wait))
      : await waitFor(identity, wait)
  const leftMs = Math.max(1, limitMs - (performance.now() - startedAtMs))
  return acquireAs(context, destination, who, request, call, limitMs, leftMs)
}

function acquireAs(
  context: Context,
  destination: Destination,
  who: FoundIdentity,
  request: CheckedRequest,
  call: CheckedOptions,
  limitMs: number,
  leftMs: number,
): TokenResponse | Promise<TokenResponse> {
  if (call.rejectedToken !== undefined)
    return replace({ context, destination, who, request, call, limitMs }, leftMs)
  const { cache } = context
  const pointId = destination.id
  const kind = who.source.partition
  const partition = findPartition(cache, pointId, kind, who.found)
  const entry = partition === undefined ? undefined : findEntry(partition, request)
  const response = entry?.response
  if (partition !== undefined && entry !== undefined && response !== undefined && !call.forceRefresh) {
    const nowMs = context.now()
    const state = tokenState(entry.windows, request.validityBufferMs ?? defaultValidityBufferMs, nowMs)
    if (state === 'fresh' || state === 'ageing' || (state === 'expiring' && nowMs < entry.holdUntilMs)) {
      touch(cache, entry)
      if (context.onEvent !== undefined || observer.tell !== undefined)
        emit(context, { type: 'cache_hit', connector: request.connector, state })
      if (state === 'ageing' && nowMs >= entry.renewAfterMs && !partition.flights.has(requestKey(request)))
        return renew(
          { context, destination, who, request, call, limitMs },
          partition,
          entry,
          response,
          leftMs,
        )
      return response
    }
  }
  const ask: Ask = { context, destination, who, request, call, limitMs }
  return waitHere(ask, ensurePartition(cache, pointId, kind, who.found), leftMs)
}

async function replace(ask: Ask, leftMs: number): Promise<TokenResponse> {
  const { replaceRejected } = await import('./replace-rejected.ts')
  const { context, destination, who, request, limitMs } = ask
  const { cache } = context
  return replaceRejected(ask, leftMs, {
    acquire: ({ call }, ms) => acquireAs(context, destination, who, request, call, limitMs, ms),
    findEntry: () =>
      findPartition(cache, destination.id, who.source.partition, who.found)?.entries.get(requestKey(request)),
    detachFlight: (partition) => {
      const flight = partition.flights.get(requestKey(request))
      if (flight !== undefined) detach(cache, partition, flight)
    },
    noteEviction: () => emit(context, { type: 'cache_evicted', connector: request.connector, entries: 1 }),
  })
}

function waitHere(ask: Ask, partition: Partition, leftMs: number): Promise<TokenResponse> {
  const flight = joinOrStart(ask, partition)
  const wait: Wait = {
    timeoutMs: leftMs,
    limitMs: ask.limitMs,
    signal: ask.call.signal,
    connector: ask.request.connector,
  }
  return waitForFlight(flight, wait, () => detach(ask.context.cache, partition, flight))
}

/** Renews an ageing token: behind the caller's back where the platform lets work outlive a request. */
function renew(
  ask: Ask,
  partition: Partition,
  entry: Entry,
  response: TokenResponse,
  leftMs: number,
): TokenResponse | Promise<TokenResponse> {
  const { context, call, request } = ask
  const waitUntil = call.waitUntil ?? vercelWaitUntil()
  if (waitUntil === undefined && isWorkerd())
    return renewInForeground(ask, partition, entry, response, leftMs)
  const flight = startFlight(ask, partition, { background: true, replaces: entry })
  const wait: Wait = {
    timeoutMs: leftMs,
    limitMs: ask.limitMs,
    signal: undefined,
    connector: request.connector,
  }
  // A failure shows in the events; the next callers try again, without this token where the failure was a refusal.
  const renewal = waitForFlight(flight, wait, () => detach(context.cache, partition, flight)).then(noop, noop)
  try {
    waitUntil?.(renewal)
  } catch {
    // The platform's request is over: the renewal runs all the same, for as long as the process does.
  }
  return response
}

async function renewInForeground(
  ask: Ask,
  partition: Partition,
  entry: Entry,
  response: TokenResponse,
  leftMs: number,
): Promise<TokenResponse> {
  const flight = startFlight(ask, partition, { background: false, replaces: entry })
  const { signal } = ask.call
  const wait: Wait = { timeoutMs: leftMs, limitMs: ask.limitMs, signal, connector: ask.request.connector }
  try {
    return await waitForFlight(flight, wait, () => detach(ask.context.cache, partition, flight))
  } catch (error) {
    const isOwnAbort = error instanceof ConnectError && error.code === 'aborted'
    const isEnded = error instanceof ConnectError && endsToken(error.code)
    if (isOwnAbort || isEnded || ask.context.now() >= response.expiresAt) throw error
    return response
  }
}

function vercelWaitUntil(): ((promise: Promise<unknown>) => void) | undefined {
  const context = vercelRequestContext()
  return typeof context?.waitUntil === 'function' ? (promise) => context.waitUntil?.(promise) : undefined
}

function noop(): void {}
