import type { ConsentDelivery } from '@valetkey/protocol'
import type { Context } from '../client/context.ts'
import { invalidRequest } from '../errors/connect-error.ts'
import { checkId, checkObject, maxIdLength, mustBe, optional, unknownKey } from '../request/check-values.ts'
import { asInvalidRequest } from '../request/token-request.ts'
import { checkCallbackUrl, checkWebhook } from './check-urls.ts'
import type { Fields } from './read-fields.ts'

/** What `startInstallation` takes besides the options of every call. */
export const deliveryNames = ['callbackUrl', 'webhook', 'deviceCode', 'expiresInMs', 'binding'] as const

type DeliveryName = (typeof deliveryNames)[number]

const longestRequestMs = 86_400_000
const maxAdditionalParams = 100

/** The delivery as it travels, without undefined fields. `binding` is `complete` unless the caller gave that up. */
export function checkDelivery(given: Fields<DeliveryName>, context: Context): ConsentDelivery {
  const callbackUrl = optional(given.callbackUrl, checkCallbackUrl, 'callbackUrl')
  const webhook = optional(
    given.webhook,
    (value, name) => checkWebhook(value, name, context.destination().origin),
    'webhook',
  )
  const deviceCode = optional(given.deviceCode, checkFlag, 'deviceCode') === true
  const expiresInMs = optional(given.expiresInMs, checkLifetime, 'expiresInMs')
  if (given.binding !== undefined && given.binding !== 'consent')
    throw mustBe('binding', "'consent' or absent")
  const detached = context.read('VALETKEY_INTERACTIVE_AUTH_MODE') === 'detached'
  return {
    ...(callbackUrl === undefined || detached ? undefined : { returnUrl: callbackUrl }),
    ...(webhook === undefined ? undefined : { webhook }),
    ...(deviceCode || detached ? { deviceCode: true } : undefined),
    ...(expiresInMs === undefined ? undefined : { expiresInMs }),
    ...(given.binding === undefined ? { binding: 'complete' } : undefined),
  }
}

/** A copy of parameters for the provider. */
export function checkAdditionalParams(value: unknown, name: string): Record<string, string> {
  try {
    const given = checkObject(value, name)
    const keys = Object.keys(given)
    if (keys.length > maxAdditionalParams) throw mustBe(name, `at most ${maxAdditionalParams} parameters`)
    const copy: Record<string, string> = {}
    for (const key of keys) {
      // Assigned, it would become the copy's prototype; received, perhaps the receiver's.
      if (key === '__proto__') throw unknownKey(key, name)
      checkId(key, `each name in ${name}`)
      const text = given[key]
      if (typeof text !== 'string' || text.length > maxIdLength)
        throw invalidRequest(`Each value in ${name} must be a string of at most ${maxIdLength} characters`)
      copy[key] = text
    }
    return copy
  } catch (error) {
    throw asInvalidRequest(error, name)
  }
}

function checkFlag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw mustBe(name, 'true or false')
  return value
}

function checkLifetime(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > longestRequestMs)
    throw mustBe(name, `a whole number of milliseconds, at most ${longestRequestMs}`)
  return value
}
