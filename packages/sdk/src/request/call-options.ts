import {
  checkFunction,
  checkId,
  checkObject,
  maxCredentialLength,
  mustBe,
  optional,
  unknownKey,
} from './check-values.ts'
import { asInvalidRequest } from './token-request.ts'
import type { IdentityFunction } from './types.ts'

/** One call's options, copied and checked. */
export interface CheckedOptions {
  readonly identity: string | IdentityFunction | undefined
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
  readonly forceRefresh: boolean
  readonly rejectedToken: string | undefined
  readonly region: string | undefined
  readonly waitUntil: ((promise: Promise<unknown>) => void) | undefined
  readonly toolCallId: string | undefined
}

const noOptions: CheckedOptions = {
  identity: undefined,
  signal: undefined,
  timeoutMs: undefined,
  forceRefresh: false,
  rejectedToken: undefined,
  region: undefined,
  waitUntil: undefined,
  toolCallId: undefined,
}

/** Copies and checks the options of a call. Each own field is read once; inherited ones do not count. */
export function checkCallOptions(options: unknown): CheckedOptions {
  if (options === undefined) return noOptions
  try {
    return readOptions(checkObject(options, 'options'))
  } catch (error) {
    throw asInvalidRequest(error, 'options')
  }
}

function readOptions(options: Record<string, unknown>): CheckedOptions {
  const checked: { -readonly [K in keyof CheckedOptions]: CheckedOptions[K] } = { ...noOptions }
  let identityNames = 0
  for (const key of Object.keys(options)) {
    const value = options[key]
    switch (key) {
      case 'identityToken':
      case 'vercelToken':
        if (value === undefined) break
        checked.identity = checkIdentity(value, key)
        if (++identityNames > 1) throw mustBe(key, 'absent: identityToken and vercelToken are one option')
        break
      case 'signal':
        checked.signal = optional(value, checkSignal, key)
        break
      case 'timeoutMs':
        checked.timeoutMs = optional(value, checkTimeout, key)
        break
      case 'forceRefresh':
        if (value !== undefined && typeof value !== 'boolean') throw mustBe(key, 'true or false')
        checked.forceRefresh = value === true
        break
      case 'rejectedToken':
        // Compared with, and never sent: as long as it likes.
        if (value !== undefined && typeof value !== 'string') throw mustBe(key, 'a string')
        checked.rejectedToken = value
        break
      case 'region':
        checked.region = optional(value, checkRegion, key)
        break
      case 'waitUntil':
        checked.waitUntil = optional(value, checkFunction<(promise: Promise<unknown>) => void>, key)
        break
      case 'context':
        checked.toolCallId = optional(value, checkContext, key)
        break
      default:
        throw unknownKey(key, 'options')
    }
  }
  return checked
}

/** `value` as a given identity: a string, or a function that is called for it. */
export function checkIdentity(value: unknown, name: string): string | IdentityFunction {
  if (typeof value === 'function') return value as IdentityFunction
  if (typeof value !== 'string' || value.length === 0) throw mustBe(name, 'a non-empty string or a function')
  if (value.length > maxCredentialLength) throw mustBe(name, `at most ${maxCredentialLength} characters long`)
  return value
}

/** `value` as a number of milliseconds that a timer can wait. */
export function checkTimeout(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 2_147_483_647))
    throw mustBe(name, 'a number of milliseconds above zero')
  return value
}

/** `value` as a region. It becomes part of a host name, so it may hold nothing that could end one. */
export function checkRegion(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[a-z0-9]{1,32}$/.test(value))
    throw mustBe(name, 'a Vercel region such as sfo1')
  return value
}

function checkSignal(value: unknown, name: string): AbortSignal {
  const signal = value as Partial<AbortSignal> | null
  if (typeof signal?.aborted !== 'boolean' || typeof signal.addEventListener !== 'function')
    throw mustBe(name, 'an AbortSignal')
  return signal as AbortSignal
}

function checkContext(value: unknown, name: string): string | undefined {
  const context = checkObject(value, name)
  let toolCallId: string | undefined
  for (const key of Object.keys(context)) {
    if (key !== 'toolCallId') throw unknownKey(key, name)
    toolCallId = optional(context.toolCallId, checkId, `${name}.toolCallId`)
  }
  return toolCallId
}
