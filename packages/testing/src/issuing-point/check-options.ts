import { errorCodes } from '@valetkey/protocol'
import { isRecord } from './is-record.ts'
import type {
  MockConsent,
  MockFailure,
  MockFailureCode,
  MockIssuingPointOptions,
  MockToken,
} from './types.ts'

/** A failure that was checked, copied, and is an object. */
export type CheckedFailure = MockFailure

/** Options that were checked and copied. */
export interface CheckedOptions {
  readonly url: string
  /** Absent where every connector exists. */
  readonly tokens: ReadonlyMap<string, MockToken> | undefined
  readonly consent: ReadonlyMap<string, MockConsent>
  readonly failures: readonly CheckedFailure[]
  readonly now: () => number
}

const optionNames = ['url', 'tokens', 'consent', 'failures', 'now']
const failureNames = ['code', 'connector', 'times', 'retryAfterSeconds']
const faults = ['hang', 'garbage', 'network-error']

/** @throws {TypeError} which names the option and never its value. */
export function checkOptions(options: MockIssuingPointOptions): CheckedOptions {
  const {
    url,
    tokens,
    consent = {},
    failures = [],
    now = Date.now,
  } = onlyKnown(options, optionNames, 'options')
  if (typeof now !== 'function') throw mustBe('now', 'a function')
  return {
    url: checkUrl(url ?? 'https://valetkey.test'),
    tokens: tokens === undefined ? undefined : new Map(entriesOf(tokens, 'tokens', isToken, tokenForms)),
    consent: new Map(entriesOf(consent, 'consent', isConsent, "'required', 'granted' or 'denied'")),
    failures: checkFailures(failures, 'failures'),
    now: now as () => number,
  }
}

export function checkFailures(failures: unknown, name: string): readonly CheckedFailure[] {
  if (!Array.isArray(failures)) throw mustBe(name, 'a list')
  return failures.map((given: unknown, index) => {
    const place = `${name}[${index}]`
    const failure = typeof given === 'string' ? { code: given } : onlyKnown(given, failureNames, place)
    const { code, connector, times, retryAfterSeconds } = failure as Record<string, unknown>
    if (!isFailureCode(code))
      throw mustBe(`${place}.code`, `a code of the wire, or one of ${faults.join(', ')}`)
    if (connector !== undefined && (typeof connector !== 'string' || connector === ''))
      throw mustBe(`${place}.connector`, 'the UID of a connector')
    if (times !== undefined && !isWholeNumber(times, 1))
      throw mustBe(`${place}.times`, 'a whole number from 1')
    if (retryAfterSeconds !== undefined && !isWholeNumber(retryAfterSeconds, 0))
      throw mustBe(`${place}.retryAfterSeconds`, 'a whole number from 0')
    return {
      code,
      ...(connector === undefined ? undefined : { connector }),
      ...(times === undefined ? undefined : { times }),
      ...(retryAfterSeconds === undefined ? undefined : { retryAfterSeconds }),
    }
  })
}

/** The same rules as the SDK's for an issuing point, so that what the mock takes the SDK takes too. */
function checkUrl(text: unknown): string {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  const loopback = url !== undefined && /^(?:127(?:\.\d+){3}|\[::1\]|(?:.+\.)?localhost)$/.test(url.hostname)
  if (
    url === undefined ||
    (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) ||
    url.username + url.password !== '' ||
    /[?#]/.test(url.href)
  )
    throw mustBe('url', 'an https address (http on loopback only), without credentials, query or fragment')
  return url.href.replace(/\/+$/, '')
}

function entriesOf<Value>(
  given: unknown,
  name: string,
  is: (value: unknown) => value is Value,
  forms: string,
): [string, Value][] {
  if (!isRecord(given)) throw mustBe(name, 'an object, by UID of the connector')
  return Object.entries(given).map(([connector, value]) => {
    if (connector === '') throw mustBe(`each name in ${name}`, 'the UID of a connector')
    if (!is(value)) throw mustBe(`${name}[${JSON.stringify(connector)}]`, forms)
    return [connector, value]
  })
}

const tokenForms = 'a token, an object with a token, or a function'

function isToken(value: unknown): value is MockToken {
  if (typeof value === 'function') return true
  const token = isRecord(value) ? value.token : value
  return typeof token === 'string' && token !== ''
}

function isConsent(value: unknown): value is MockConsent {
  return value === 'required' || value === 'granted' || value === 'denied'
}

function isFailureCode(value: unknown): value is MockFailureCode {
  if (typeof value !== 'string') return false
  if (faults.includes(value)) return true
  return Object.hasOwn(errorCodes, value) && errorCodes[value as 'forbidden'].side === 'issuing-point'
}

function isWholeNumber(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least
}

function onlyKnown(value: unknown, names: readonly string[], place: string): Record<string, unknown> {
  if (!isRecord(value)) throw mustBe(place, 'an object')
  const unknown = Object.keys(value).find((key) => !names.includes(key))
  if (unknown !== undefined)
    throw new TypeError(
      `mockIssuingPoint: ${place} has no ${JSON.stringify(unknown)}: known are ${names.join(', ')}`,
    )
  return value
}

function mustBe(name: string, what: string): TypeError {
  return new TypeError(`mockIssuingPoint: ${name} must be ${what}`)
}
