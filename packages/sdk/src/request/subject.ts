import type { Subject } from '@valetkey/protocol'
import { canonicalJson } from './canonical-json.ts'
import { checkId, checkObject, maxCredentialLength, mustBe, optional, unknownKey } from './check-values.ts'

/** A subject, copied. */
export interface CheckedSubject {
  readonly type: Subject['type']
  /** `id`, `sub` or `token`, by type. */
  readonly id: string
  readonly issuer: string | undefined
  readonly audience: string | undefined
  /** Canonical JSON. */
  readonly claims: string | undefined
}

const appSubject: CheckedSubject = {
  type: 'app',
  id: '',
  issuer: undefined,
  audience: undefined,
  claims: undefined,
}

// By position; a subject type allows a set of them, written as bits.
const fields: readonly string[] = ['id', 'issuer', 'sub', 'iss', 'aud', 'additionalClaims', 'token']

/** Copies and checks a subject. Fields that its type does not have are refused: they would be silently ignored. */
export function checkSubject(value: unknown): CheckedSubject {
  const subject = checkObject(value, 'subject')
  const values: unknown[] = []
  let type: unknown
  let given = 0
  for (const name of Object.keys(subject)) {
    const field = subject[name]
    if (name === 'type') type = field
    else {
      const position = fields.indexOf(name)
      if (position < 0) throw unknownKey(name, 'subject')
      values[position] = field
      if (field !== undefined) given |= 1 << position
    }
  }
  switch (type) {
    case 'app':
      refuseFields(given, type)
      return appSubject
    case 'user':
      refuseFields(given & ~0b11, type)
      return {
        type,
        id: checkId(values[0], 'subject.id'),
        issuer: optional(values[1], checkId, 'subject.issuer'),
        audience: undefined,
        claims: undefined,
      }
    case 'jwt-bearer':
      refuseFields(given & ~0b111100, type)
      return {
        type,
        id: checkId(values[2], 'subject.sub'),
        issuer: optional(values[3], checkId, 'subject.iss'),
        audience: optional(values[4], checkId, 'subject.aud'),
        claims: optional(values[5], checkClaims, 'subject.additionalClaims'),
      }
    case 'token':
      refuseFields(given & ~0b1000000, type)
      return { ...appSubject, type, id: checkId(values[6], 'subject.token', maxCredentialLength) }
    default:
      throw mustBe('subject.type', "'app', 'user', 'jwt-bearer' or 'token'")
  }
}

function refuseFields(foreign: number, type: string): void {
  if (foreign > 0) throw mustBe(`subject.${fields[31 - Math.clz32(foreign)]}`, `absent for type '${type}'`)
}

function checkClaims(value: unknown, name: string): string {
  return canonicalJson(checkObject(value, name), name)
}

/** The subject's part of a cache key: no two subjects share one, whatever their ids contain. */
export function subjectKey(subject: CheckedSubject): string {
  const { type, id, issuer, audience, claims } = subject
  return `${type} ${id.length}:${id}${lengthPrefixed(issuer)}${lengthPrefixed(audience)}${lengthPrefixed(claims)}`
}

/** True when both are the same subject; the same as comparing their keys, without making them. */
export function isSameSubject(one: CheckedSubject, other: CheckedSubject): boolean {
  return (
    one.type === other.type &&
    one.id === other.id &&
    one.issuer === other.issuer &&
    one.audience === other.audience &&
    one.claims === other.claims
  )
}

function lengthPrefixed(text: string | undefined): string {
  return text === undefined ? '-' : `${text.length}:${text}`
}
