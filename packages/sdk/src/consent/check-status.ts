import type { ConsentStatus } from '@valetkey/protocol'
import { asRecord } from '../http/parse-json.ts'
import type { AuthorizationStatus } from './types.ts'

const statuses: Readonly<Record<ConsentStatus, true>> = {
  pending: true,
  consented: true,
  active: true,
  denied: true,
  error: true,
  expired: true,
}

/** `value` as the status of a request, copied, or undefined when it is none. */
export function statusOf(value: unknown): AuthorizationStatus | undefined {
  const { request, status, error } = asRecord(value) ?? {}
  if (typeof request !== 'string' || typeof status !== 'string' || !Object.hasOwn(statuses, status))
    return undefined
  if (error === undefined) return { request, status: status as ConsentStatus }
  const { code, message } = asRecord(error) ?? {}
  if (typeof code !== 'string' || typeof message !== 'string') return undefined
  return { request, status: status as ConsentStatus, error: { code, message } }
}
