import { createTokenCache, type TokenCache } from '../cache/token-cache.ts'
import type { FoundIdentity } from '../identity/identity-source.ts'
import { createIssuingPointChoice } from '../issuing-point/choose-issuing-point.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { IdentityFunction } from '../request/types.ts'
import { type ReadEnvironment, readProcessEnvironment } from './environment.ts'
import type { ConnectEvent } from './events.ts'

/** All that a call depends on besides its arguments. */
export interface Context {
  readonly destination: () => Destination
  /** The client's own identity; absent, the environment decides. */
  readonly identity: FoundIdentity | IdentityFunction | undefined
  readonly fetch: typeof globalThis.fetch
  readonly timeoutMs: number
  /** Milliseconds since the epoch, for expiries. Timeouts run on the runtime's own timers. */
  readonly now: () => number
  readonly onEvent: ((event: ConnectEvent) => void) | undefined
  readonly cache: TokenCache
  readonly read: ReadEnvironment
}

export const defaultTimeoutMs = 10_000
export const defaultMaxEntries = 10_000

let shared: Context | undefined

/** The context of the functions that are imported rather than made by `createClient`: all by environment. */
export function defaultContext(): Context {
  shared ??= {
    destination: createIssuingPointChoice(readProcessEnvironment),
    identity: undefined,
    fetch: currentFetch,
    timeoutMs: defaultTimeoutMs,
    now: Date.now,
    onEvent: undefined,
    cache: createTokenCache(defaultMaxEntries),
    read: readProcessEnvironment,
  }
  return shared
}

/** The runtime's fetch as it is at the time of the call: instrumentation replaces it after this module is loaded. */
export const currentFetch: typeof globalThis.fetch = (input, init) => globalThis.fetch(input, init)
