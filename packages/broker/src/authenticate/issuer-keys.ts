import { compactVerify, createLocalJWKSet, errors } from 'jose'
import type { Log } from '../log.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import type { Algorithm } from './algorithms.ts'
import type { CompactToken } from './compact-token.ts'
import { fetchIssuerDocument, IssuerFault } from './issuer-document.ts'
import { findKnownIssuer } from './known-issuers.ts'
import { createVerifiedTokens, type VerifiedTokens } from './verified-tokens.ts'

/** Verifies signatures with the keys of their issuers, which it fetches and keeps. */
export interface IssuerKeys {
  /**
   * Checks a token's signature by the keys of `issuer`, which the caller has found in a trust rule.
   *
   * Refuses with `signature_invalid` or, when the keys can't be had, `issuer_unreachable`.
   */
  verify(token: CompactToken, issuer: string): Promise<Outcome<void>>
}

/** A key set younger than this is used without a question. */
const freshMs = 10 * 60_000
/** A key set that can't be renewed is used until this age. */
const keptMs = 24 * 3_600_000
/** How often a token with an unknown key may make us ask again: anyone can write a `kid`. */
const unknownKeyCooldownMs = 30_000
/** How soon a failed fetch is tried again. */
const failureCooldownMs = 5_000
/** Far more than there are issuers in rules. */
const maxIssuers = 256

interface KeySet {
  readonly fetchedAtMs: number
  readonly algorithms: readonly Algorithm[]
  /** Keeps every key imported once it has been used. */
  readonly find: ReturnType<typeof createLocalJWKSet>
  /** What these very keys have verified already. */
  readonly verified: VerifiedTokens
}

interface Entry {
  /** What the platform is known to sign with; undefined where only its own document says. */
  readonly pinned: readonly Algorithm[] | undefined
  keys: KeySet | undefined
  triedAtMs: number
  fault: string | undefined
  flight: Promise<void> | undefined
}

/** Creates an empty cache of issuers' keys; `fetch` must be the egress one. */
export function createIssuerKeys(options: {
  readonly fetch: typeof globalThis.fetch
  readonly now: () => number
  readonly log: Log
}): IssuerKeys {
  const { fetch, now, log } = options
  const entries = new Map<string, Entry>()

  function entryOf(issuer: string): Entry {
    const found = entries.get(issuer) ?? {
      pinned: findKnownIssuer(issuer)?.algorithms,
      keys: undefined,
      triedAtMs: Number.NEGATIVE_INFINITY,
      fault: undefined,
      flight: undefined,
    }
    // Last used last, so that the first is the one to drop.
    entries.delete(issuer)
    entries.set(issuer, found)
    const [oldest] = entries.keys()
    if (entries.size > maxIssuers && oldest !== undefined) entries.delete(oldest)
    return found
  }

  /** Asks the issuer. Whoever comes meanwhile waits for the same answer. */
  function renew(issuer: string, entry: Entry): Promise<void> {
    entry.flight ??= fetchIssuerDocument(issuer, fetch)
      .then(({ keys, algorithms }) => {
        entry.keys = {
          fetchedAtMs: now(),
          algorithms,
          find: createLocalJWKSet({ keys: [...keys] }),
          verified: createVerifiedTokens(),
        }
        entry.fault = undefined
      })
      .catch((error: unknown) => {
        entry.fault = error instanceof IssuerFault ? error.message : 'The keys could not be read'
        log('warn', 'The keys of an identity issuer could not be renewed', { issuer, fault: entry.fault })
      })
      .finally(() => {
        entry.triedAtMs = now()
        entry.flight = undefined
      })
    return entry.flight
  }

  function mayTry(entry: Entry, cooldownMs: number): boolean {
    return entry.flight !== undefined || now() - entry.triedAtMs >= cooldownMs
  }

  /** Keys to verify with now; undefined when there are none, or none that are young enough. */
  async function keysOf(issuer: string, entry: Entry): Promise<KeySet | undefined> {
    const age = () => (entry.keys === undefined ? Number.POSITIVE_INFINITY : now() - entry.keys.fetchedAtMs)
    if (age() < freshMs) return entry.keys
    if (mayTry(entry, failureCooldownMs)) {
      const renewal = renew(issuer, entry)
      // An issuer that was down a moment ago must not slow every request while the old keys still hold.
      if (entry.fault === undefined || age() >= keptMs) await renewal
    }
    return age() < keptMs ? entry.keys : undefined
  }

  return {
    async verify(token, issuer) {
      const entry = entryOf(issuer)
      if (entry.pinned?.includes(token.algorithm) === false) return invalid('unexpected algorithm')
      const keys = await keysOf(issuer, entry)
      if (keys === undefined) return unreachable(entry)

      const first = await check(token, keys)
      if (first !== 'key-unknown') return first
      if (!mayTry(entry, unknownKeyCooldownMs)) {
        return entry.fault === undefined ? invalid('unknown key') : unreachable(entry)
      }
      await renew(issuer, entry)
      if (entry.fault !== undefined || entry.keys === undefined) return unreachable(entry)
      const second = await check(token, entry.keys)
      return second === 'key-unknown' ? invalid('unknown key') : second
    },
  }
}

async function check(token: CompactToken, keys: KeySet): Promise<Outcome<void> | 'key-unknown'> {
  if (!keys.algorithms.includes(token.algorithm)) return invalid('unexpected algorithm')
  if (keys.verified.has(token.text)) return accept(undefined)
  try {
    await compactVerify(token.text, keys.find, { algorithms: [...keys.algorithms] })
    keys.verified.add(token.text)
    return accept(undefined)
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return 'key-unknown'
    if (error instanceof errors.JWKSMultipleMatchingKeys) return invalid('several keys could be meant')
    return invalid('wrong signature')
  }
}

function invalid(detail: string): Outcome<never> {
  return refuse({ reason: 'signature_invalid', detail })
}

function unreachable(entry: Entry): Outcome<never> {
  return refuse({ reason: 'issuer_unreachable', detail: entry.fault ?? 'The keys were never fetched' })
}
