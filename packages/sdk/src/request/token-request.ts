import { ConnectError } from '../errors/connect-error.ts'
import { canonicalDetail } from './canonical-json.ts'
import {
  checkId,
  checkListLength,
  checkObject,
  checkStrings,
  maxRequestLength,
  mustBe,
  optional,
  sorted,
  unknownKey,
} from './check-values.ts'
import { type CheckedSubject, checkSubject, isSameSubject, subjectKey } from './subject.ts'

/** One call's connector and params, copied and checked: the caller's objects are not looked at again. */
export interface CheckedRequest {
  readonly connector: string
  readonly subject: CheckedSubject
  readonly installationId: string | undefined
  readonly audience: readonly string[] | undefined
  readonly scopes: readonly string[] | undefined
  readonly resources: readonly string[] | undefined
  /** Canonical JSON, one a detail. */
  readonly details: readonly string[] | undefined
  readonly validityBufferMs: number | undefined
  /** What {@link requestKey} made. */
  madeKey: string | undefined
}

/** Copies and checks a connector and its params. Each own field is read once; inherited ones do not count. */
export function checkTokenRequest(connector: unknown, params: unknown): CheckedRequest {
  try {
    return readRequest(checkConnector(connector), checkObject(params, 'params'))
  } catch (error) {
    throw asInvalidRequest(error, 'params')
  }
}

/** A getter or a proxy of the caller's threw: its error may quote values, so it goes no further. */
export function asInvalidRequest(error: unknown, what: string): ConnectError {
  return error instanceof ConnectError ? error : mustBe(what, 'readable: reading a field threw')
}

/** `value` as a connector's id or UID. */
export function checkConnector(value: unknown): string {
  const connector = checkId(value, 'connector', 512)
  // The URL standard folds these into the path above, whatever one encodes: the request would go elsewhere.
  if (connector === '.' || connector === '..') throw mustBe('connector', 'more than dots')
  return connector
}

function readRequest(connector: string, params: Record<string, unknown>): CheckedRequest {
  let subject: CheckedSubject | undefined
  let installationId: string | undefined
  let audience: readonly string[] | undefined
  let scopes: readonly string[] | undefined
  let resources: readonly string[] | undefined
  let details: readonly string[] | undefined
  let validityBufferMs: number | undefined
  for (const key of Object.keys(params)) {
    const value = params[key]
    switch (key) {
      case 'subject':
        subject = checkSubject(value)
        break
      case 'installationId':
        installationId = optional(value, checkId, key)
        break
      case 'audience':
        audience = optional(value, checkStrings, key)
        break
      case 'scopes':
        scopes = optional(value, checkStrings, key)
        break
      case 'resources':
        resources = optional(value, checkStrings, key)
        break
      case 'authorizationDetails':
        details = optional(value, checkDetails, key)
        break
      case 'validityBufferMs':
        validityBufferMs = optional(value, checkBuffer, key)
        break
      default:
        throw unknownKey(key, 'params')
    }
  }
  if (subject === undefined) throw mustBe('subject', 'given: nobody is asked for by default')
  if (scopes?.length === 1 && scopes[0] === '*') scopes = undefined
  return {
    connector,
    subject,
    installationId,
    audience,
    scopes,
    resources,
    details,
    validityBufferMs,
    madeKey: undefined,
  }
}

/**
 * Everything that tells one token from another within a partition: never equal for different requests, whatever their
 * ids contain, and always equal for requests that differ in order and repetition only.
 *
 * Made when it is first needed: a call that finds the token of the call before it never needs it.
 *
 * @throws {ConnectError} `invalid_request` when the request comes to more than a broker reads.
 */
export function requestKey(request: CheckedRequest): string {
  if (request.madeKey !== undefined) return request.madeKey
  const { connector, installationId, audience, scopes, resources, details } = request
  let key = `${connector.length}:${connector}${subjectKey(request.subject)}`
  if (installationId !== undefined) key += `i${installationId.length}:${installationId}`
  if (audience !== undefined) key += `A${listKey(audience)}`
  if (scopes !== undefined) key += `S${listKey(scopes)}`
  if (resources !== undefined) key += `R${listKey(resources)}`
  if (details !== undefined) key += `D${listKey(details)}`
  if (key.length > maxRequestLength) throw mustBe('params', 'at most 64 KiB')
  request.madeKey = key
  return key
}

/** True when both certainly have one key. Lists in another order come out as false: the keys decide then. */
export function isPlainlySame(one: CheckedRequest, other: CheckedRequest): boolean {
  return (
    one.connector === other.connector &&
    isSameSubject(one.subject, other.subject) &&
    one.installationId === other.installationId &&
    isSameList(one.scopes, other.scopes) &&
    isSameList(one.audience, other.audience) &&
    isSameList(one.resources, other.resources) &&
    isSameList(one.details, other.details)
  )
}

function isSameList(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined || one.length !== other.length) return false
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false
  return true
}

// A count, then every entry behind its length: no separator that an id could contain.
function listKey(list: readonly string[]): string {
  let key = `${list.length};`
  for (const text of sorted(list)) key += `${text.length}:${text}`
  return key
}

function checkBuffer(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= Number.MAX_SAFE_INTEGER))
    throw mustBe(name, 'a number of milliseconds, zero or more')
  return value
}

function checkDetails(value: unknown, name: string): readonly string[] {
  const length = checkListLength(value, name)
  const list = value as readonly unknown[]
  const details = new Set<string>()
  let total = 0
  for (let index = 0; index < length; index++) {
    const json = canonicalDetail(list[index], `${name}[${index}]`)
    total += json.length
    if (total > maxRequestLength) throw mustBe('params', 'at most 64 KiB')
    details.add(json)
  }
  return [...details]
}
