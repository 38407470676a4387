import type { Workload } from '../authenticate/caller.ts'
import { digestOf } from '../digest.ts'
import type { Refusal } from '../refusal.ts'
import { addressKey } from './address-key.ts'
import { createWindowLimit, type Verdict, type WindowLimit } from './window-limit.ts'

/** How much is answered, by each replica on its own. All are counts for one minute. */
export interface RateLimitsConfig {
  /** Token requests of one caller. Default 120,000. */
  readonly tokenRequestsPerCaller?: number
  /** Token requests of one project. Default 240,000. */
  readonly tokenRequestsPerProject?: number
  /** Consents and installations that one caller begins. Default 120. */
  readonly consentStartsPerCaller?: number
  /** Other calls of one caller: it asks how consents stand, completes them, redeems, revokes. Default 6,000. */
  readonly callsPerCaller?: number
  /** Refusals of such calls that get an event of their own, for one caller; the others are counted. Default 60. */
  readonly refusedCallEventsPerCaller?: number
  /** Sign-ins that are begun from one address. Default 120. */
  readonly signInStartsPerAddress?: number
  /** Device codes that are typed in from one address. Default 10. */
  readonly deviceEntriesPerAddress?: number
  /** Device codes that were typed in and are none, from anywhere. Default 10,000. */
  readonly wrongDeviceEntries?: number
}

/** The refusal of a request that came too soon; its seconds are whole and at least 1. */
export type RateLimited = Extract<Refusal, { readonly reason: 'rate_limited' }>

/** As an `Outcome`, with what the audit trail is to be told. */
export type RateOutcome =
  | { readonly ok: true; readonly value: undefined }
  | {
      readonly ok: false
      readonly refusal: RateLimited
      /**
       * `event`: the first refusal of this key in its window, to be recorded like any other. `count`: one of those that
       * follow, which are only counted by the minute, so that a flood does not grow the trail.
       */
      readonly record: 'event' | 'count'
    }

/** The limits of one replica. They are in its memory: nothing here asks the database. */
export interface RateLimits {
  /** A token request of somebody known. One that is refused for its caller is not counted against its project. */
  tokenRequest(caller: Workload): Promise<RateOutcome>
  /** A consent or an installation that somebody known begins. */
  consentStart(caller: Workload): Promise<RateOutcome>
  /** Another call of somebody known: a workload, or the app to which a grant's access token was given. */
  call(caller: Workload | { readonly grantId: string }): Promise<RateOutcome>
  /** How the refusal of such a call, for another reason than a limit, is to be recorded. */
  refusedCall(caller: Workload): Promise<'event' | 'count'>
  /** A sign-in that a browser begins: each leaves a row, and nobody has proven anything yet. */
  signInStart(address: string | undefined): Promise<RateOutcome>
  /** A device code that is typed in, before it is looked up. */
  deviceEntry(address: string | undefined): Promise<RateOutcome>
  /** To be told of each device code that is none: many of them stop all entries for the minute. */
  wrongDeviceEntry(): Promise<void>
}

/**
 * Generous where the caller is known: they stop a loop that has gone wild, not a busy workload.
 *
 * Device codes are short, so wrong ones are limited together as well, however many addresses they come from. There are
 * 20^8 = 2.56 × 10^10 codes: 10,000 wrong ones a minute, which take 1,000 addresses, hit one of 100 that are open at the
 * same time with a chance of 10,000 × 100 ÷ 2.56 × 10^10, about 1 in 25,000 a minute; and whoever hits one has seen who
 * asks for what, not got anything. A lower limit would be safer against nobody and let anybody stop device entry for
 * everybody.
 */
const defaults: Required<RateLimitsConfig> = {
  tokenRequestsPerCaller: 120_000,
  tokenRequestsPerProject: 240_000,
  consentStartsPerCaller: 120,
  callsPerCaller: 6_000,
  refusedCallEventsPerCaller: 60,
  signInStartsPerAddress: 120,
  deviceEntriesPerAddress: 10,
  wrongDeviceEntries: 10_000,
}

const windowSeconds = 60

/** Keys that each limit remembers at once: some 10 MB for all of them together, at worst. */
const maxKeys = 10_000

const allowed: RateOutcome = { ok: true, value: undefined }

/**
 * Creates the limits of one replica. Windows are fixed, so twice a limit may pass around the turn of one.
 *
 * @throws {TypeError} naming the limit that is unknown or no whole number from 1.
 */
export function createRateLimits(config: RateLimitsConfig = {}, now: () => number = Date.now): RateLimits {
  const limits = checked(config)
  const limit = (name: keyof RateLimitsConfig): WindowLimit =>
    createWindowLimit({ attempts: limits[name], windowSeconds, maxKeys, now })
  const byCaller = limit('tokenRequestsPerCaller')
  const byProject = limit('tokenRequestsPerProject')
  const consents = limit('consentStartsPerCaller')
  const calls = limit('callsPerCaller')
  const refusedCalls = limit('refusedCallEventsPerCaller')
  const signIns = limit('signInStartsPerAddress')
  const entriesByAddress = limit('deviceEntriesPerAddress')
  const wrongEntries = limit('wrongDeviceEntries')

  return {
    tokenRequest: async (caller) =>
      outcome(await firstRefusal(byCaller.count(callerKey(caller)), () => byProject.count(caller.projectId))),
    consentStart: async (caller) => outcome(await consents.count(callerKey(caller))),
    call: async (caller) =>
      outcome(
        await calls.count('grantId' in caller ? digestOf(['grant', caller.grantId]) : callerKey(caller)),
      ),
    refusedCall: async (caller) => ((await refusedCalls.count(callerKey(caller))).ok ? 'event' : 'count'),
    signInStart: async (address) => counted(await signIns.count(addressKey(address))),
    deviceEntry: async (address) =>
      counted(
        await firstRefusal(wrongEntries.look(everybody), () => entriesByAddress.count(addressKey(address))),
      ),
    wrongDeviceEntry: async () => void (await wrongEntries.count(everybody)),
  }
}

const everybody = 'everybody'

/** Who asks, as it was proven; a digest, because subjects may be long. */
function callerKey({ proof }: Workload): string {
  return digestOf(
    proof.type === 'identity' ? [proof.issuer, proof.subject] : ['access-token', proof.accessTokenId, ''],
  )
}

async function firstRefusal(first: Promise<Verdict>, next: () => Promise<Verdict>): Promise<Verdict> {
  const verdict = await first
  return verdict.ok ? next() : verdict
}

function outcome(verdict: Verdict): RateOutcome {
  if (verdict.ok) return allowed
  const { retryAfterSeconds, first } = verdict
  return {
    ok: false,
    refusal: { reason: 'rate_limited', retryAfterSeconds },
    record: first ? 'event' : 'count',
  }
}

/** Of somebody unknown: addresses are cheap, and one event for each would be a flood of its own. */
function counted(verdict: Verdict): RateOutcome {
  const result = outcome(verdict)
  return result.ok ? result : { ...result, record: 'count' }
}

function checked(config: RateLimitsConfig): Required<RateLimitsConfig> {
  for (const [name, value] of Object.entries(config)) {
    if (!Object.hasOwn(defaults, name)) throw new TypeError(`limits.${name} is unknown`)
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new TypeError(`limits.${name} must be a whole number, at least 1`)
    }
  }
  return { ...defaults, ...config }
}
