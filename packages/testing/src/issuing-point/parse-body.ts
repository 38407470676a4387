import type { AuthorizationDetail, Subject } from '@valetkey/protocol'
import { isRecord } from './is-record.ts'
import type { MockCall } from './types.ts'
import { type Outcome, refuse } from './wire.ts'

/** What a body may hold, whichever call it came with. All of it was checked. */
export interface ParsedBody {
  readonly subject?: Subject
  readonly installationId?: string
  readonly audience?: readonly string[]
  readonly scopes?: readonly string[]
  readonly resources?: readonly string[]
  readonly authorizationDetails?: readonly AuthorizationDetail[]
  readonly validityBufferMs?: number
  readonly rejectedTokenId?: string
  readonly context?: { readonly toolCallId?: string }
  readonly returnUrl?: string
  readonly deviceCode?: boolean
  readonly expiresInMs?: number
  readonly binding?: 'complete'
  readonly verifier?: string
  readonly code?: string
}

/** What is wrong with a value, or nothing. */
type Check = (value: unknown) => string | undefined
type Fields = Readonly<Record<string, Check>>

const text: Check = (value) => {
  if (typeof value !== 'string') return 'expected string'
  if (value === '') return 'must not be empty'
  return value.length > 2048 ? 'too long (at most 2048)' : undefined
}
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'expected boolean')
const record: Check = (value) => (isRecord(value) ? undefined : 'expected object')
const wholeNumber =
  (least: number, most: number): Check =>
  (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) return 'expected int'
    return value < least || value > most ? `must be from ${least} to ${most}` : undefined
  }
const list =
  (item: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return 'expected array'
    return value.length === 0
      ? 'must not be an empty list'
      : value.map(item).find((fault) => fault !== undefined)
  }
const detail: Check = (value) => (isRecord(value) ? text(value.type) : 'expected object')

const subjects: Readonly<Record<string, { readonly needed: readonly string[]; readonly fields: Fields }>> = {
  app: { needed: [], fields: {} },
  user: { needed: ['id'], fields: { id: text, issuer: text } },
  'jwt-bearer': { needed: ['sub'], fields: { sub: text, iss: text, aud: text, additionalClaims: record } },
  token: {
    needed: ['token'],
    fields: { token: (value) => (typeof value === 'string' ? undefined : 'expected string') },
  },
}

const subject: Check = (value) => {
  if (!isRecord(value)) return 'expected object'
  const { type, ...rest } = value
  const form = typeof type === 'string' && Object.hasOwn(subjects, type) ? subjects[type] : undefined
  return form === undefined ? 'none of the forms it may take' : faultIn(rest, form.fields, form.needed)
}

const wanted: Fields = {
  ...{ subject, installationId: text, audience: list(text), scopes: list(text), resources: list(text) },
  authorizationDetails: list(detail),
}
const delivery: Fields = {
  ...{ returnUrl: text, webhook: text, deviceCode: flag, expiresInMs: wholeNumber(60_000, 86_400_000) },
  binding: (value) => (value === 'complete' ? undefined : 'expected one of "complete"'),
}

type BodyOf = Exclude<MockCall, 'describe'>

const bodies: Readonly<Record<BodyOf, { readonly needed: readonly string[]; readonly fields: Fields }>> = {
  token: {
    needed: ['subject'],
    fields: {
      ...wanted,
      validityBufferMs: wholeNumber(0, 86_400_000),
      rejectedTokenId: text,
      context: (value) => (isRecord(value) ? faultIn(value, { toolCallId: text }, []) : 'expected object'),
    },
  },
  authorize: {
    needed: ['subject'],
    fields: { ...wanted, ...delivery, prompt: text, additionalParams: record },
  },
  install: { needed: [], fields: { ...delivery, installationId: text, scopes: list(text), tenantId: text } },
  status: { needed: ['verifier'], fields: { verifier: text } },
  complete: { needed: ['verifier', 'code'], fields: { verifier: text, code: text, subject } },
  revoke: { needed: [], fields: { subject, installationId: text } },
}

/** Parses the body of a call as strictly as a broker, so that what passes here passes there. */
export function parseBody(call: BodyOf, type: string | null, json: string): Outcome<ParsedBody> {
  if (json === '' && call === 'revoke') return { body: {} }
  if (new TextEncoder().encode(json).length > 65_536)
    return refuse('too_large', 'The body is larger than 64 KiB')
  if (type?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
    return refuse('invalid_request', 'The body must be JSON, with "content-type: application/json"')
  const value = parseObject(json)
  if (value === undefined)
    return refuse('invalid_request', 'The body is not a JSON object that names each member once')
  const { fields, needed } = bodies[call]
  const fault = faultIn(value, fields, needed)
  return fault === undefined ? { body: value as ParsedBody } : refuse('invalid_request', fault)
}

function faultIn(
  value: Readonly<Record<string, unknown>>,
  fields: Fields,
  needed: readonly string[],
): string | undefined {
  const missing = needed.find((name) => value[name] === undefined)
  if (missing !== undefined) return `${missing}: expected, and absent`
  for (const [name, member] of Object.entries(value)) {
    const check = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (check === undefined) return `the request: unknown field "${name.slice(0, 64)}"`
    const fault = check(member)
    if (fault !== undefined) return `${name}: ${fault}`
  }
  return undefined
}

function parseObject(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}
