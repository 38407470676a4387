import type { AuthorizationDetail } from '@valetkey/protocol'
import { type HeldDetail, InvalidSettings } from './driver.ts'

/** `normalizeDetail` of a driver that understands no authorization details. @throws {InvalidSettings} always. */
export function noDetails(_detail: AuthorizationDetail): AuthorizationDetail {
  throw new InvalidSettings('This connector does not support authorizationDetails')
}

/** `holdDetail` of a driver that understands no authorization details: nothing is within. */
export function holdsNoDetails(_wanted: AuthorizationDetail, _ceiling: AuthorizationDetail): HeldDetail {
  return { within: false, part: 'authorizationDetails' }
}
