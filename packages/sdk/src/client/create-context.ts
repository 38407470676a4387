import { createTokenCache } from '../cache/token-cache.ts'
import { invalidRequest } from '../errors/connect-error.ts'
import { givenIdentity } from '../identity/given-identity.ts'
import { createIssuingPointChoice, issuingPointAt } from '../issuing-point/choose-issuing-point.ts'
import type { Destination, IssuingPoint } from '../issuing-point/issuing-point.ts'
import { checkIdentity, checkTimeout } from '../request/call-options.ts'
import { checkFunction, checkId, checkObject, mustBe, optional, unknownKey } from '../request/check-values.ts'
import type { IdentityFunction } from '../request/types.ts'
import { type Context, currentFetch, defaultMaxEntries, defaultTimeoutMs } from './context.ts'
import { type ReadEnvironment, readProcessEnvironment } from './environment.ts'
import type { ConnectEvent } from './events.ts'

/** Settings of a client. Every one has a default, and unknown keys throw. */
export interface ClientConfig {
  /** Address of a broker: https, or http on loopback. Default: `VALETKEY_URL`, else Vercel Connect on Vercel. */
  readonly url?: string | undefined
  /** What to ask instead of a broker. Not together with `url`. */
  readonly issuingPoint?: IssuingPoint | undefined
  /** The identity of every call that gives none itself. Default: the one the environment shows. */
  readonly identity?: string | IdentityFunction | undefined
  /** Used for every request. Default: the global one, at the time of the call. */
  readonly fetch?: typeof globalThis.fetch | undefined
  readonly cache?:
    | {
        /** Most tokens kept, over all callers. Default 10,000. */
        readonly maxEntries?: number | undefined
      }
    | undefined
  /** Milliseconds a call may take unless it says otherwise. Default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds since the epoch, for the expiry of tokens. Default `Date.now`. */
  readonly now?: (() => number) | undefined
  /** Told what happens, without secrets. What it throws is ignored. */
  readonly onEvent?: ((event: ConnectEvent) => void) | undefined
}

/** Checks a client's settings and makes its context. `read` is the environment, which tests replace. */
export function createContext(config: ClientConfig, read: ReadEnvironment = readProcessEnvironment): Context {
  const settings = readSettings(config)
  if (settings.url !== undefined && settings.issuingPoint !== undefined)
    throw invalidRequest('config.url and config.issuingPoint exclude each other')
  return {
    destination: destinationOf(settings, read),
    identity: identityOf(settings.identity),
    fetch: optional(settings.fetch, checkFunction<Context['fetch']>, 'config.fetch') ?? currentFetch,
    timeoutMs: optional(settings.timeoutMs, checkTimeout, 'config.timeoutMs') ?? defaultTimeoutMs,
    now: optional(settings.now, checkFunction<Context['now']>, 'config.now') ?? Date.now,
    onEvent: optional(settings.onEvent, checkFunction<(event: ConnectEvent) => void>, 'config.onEvent'),
    cache: createTokenCache(maxEntriesOf(settings.cache)),
    read,
  }
}

const settingNames = [
  'url',
  'issuingPoint',
  'identity',
  'fetch',
  'cache',
  'timeoutMs',
  'now',
  'onEvent',
] as const

function readSettings(config: unknown): Partial<Record<(typeof settingNames)[number], unknown>> {
  const object = checkObject(config, 'config')
  const settings: Partial<Record<(typeof settingNames)[number], unknown>> = {}
  for (const key of Object.keys(object)) {
    const name = settingNames.find((known) => known === key)
    if (name === undefined) throw unknownKey(key, 'config')
    settings[name] = object[name]
  }
  return settings
}

function destinationOf(
  settings: { readonly url?: unknown; readonly issuingPoint?: unknown },
  read: ReadEnvironment,
): () => Destination {
  if (settings.url === undefined && settings.issuingPoint === undefined) return createIssuingPointChoice(read)
  const destination =
    settings.issuingPoint === undefined
      ? issuingPointAt(settings.url, 'config.url', read)
      : customIssuingPoint(settings.issuingPoint)
  return () => destination
}

function customIssuingPoint(value: unknown): Destination {
  const point = checkObject(value, 'config.issuingPoint') as Partial<IssuingPoint>
  // Copied, so that what is known of it cannot change under way; the methods are called on the object itself.
  const id = checkId(point.id, 'config.issuingPoint.id')
  const audience = checkId(point.audience, 'config.issuingPoint.audience')
  const { origin } = point
  if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).origin === origin))
    throw mustBe('config.issuingPoint.origin', 'an origin, such as https://broker.example')
  if (typeof point.issueToken !== 'function') throw mustBe('config.issuingPoint.issueToken', 'a function')
  return { id, audience, origin, isVercelConnect: false, namedByUrl: false, reach: point as IssuingPoint }
}

function identityOf(identity: unknown): Context['identity'] {
  if (identity === undefined) return undefined
  const checked = checkIdentity(identity, 'config.identity')
  return typeof checked === 'string' ? givenIdentity(checked) : checked
}

function maxEntriesOf(cache: unknown): number {
  if (cache === undefined) return defaultMaxEntries
  const settings = checkObject(cache, 'config.cache')
  let maxEntries = defaultMaxEntries
  for (const key of Object.keys(settings)) {
    if (key !== 'maxEntries') throw unknownKey(key, 'config.cache')
    const value = settings.maxEntries
    if (value === undefined) continue
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
      throw mustBe('config.cache.maxEntries', 'a whole number above zero')
    maxEntries = value
  }
  return maxEntries
}
