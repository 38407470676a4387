import type { ObtainIdentity } from '../identity-source.ts'
import { checkUnexpired, gaveNone } from '../mint.ts'

/**
 * The OIDC token of a Semaphore job, when `VALETKEY_IDENTITY` names it. Its audience is the organization and not the
 * issuing point, for a day: whoever receives it can use it wherever that organization's jobs are trusted.
 *
 * @see https://docs.semaphore.io/using-semaphore/openid
 */
export const obtainFromSemaphore: ObtainIdentity = ([token = ''], { now }) => {
  if (token === '') throw gaveNone('Semaphore', 'SEMAPHORE_OIDC_TOKEN is not set')
  return checkUnexpired('Semaphore', token, now())
}
