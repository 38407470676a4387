import type { ObtainIdentity } from '../identity-source.ts'
import { gaveNone, jsonField, mint, platformAddress } from '../mint.ts'

const platform = 'Trigger.dev'
const defaultAddress = 'https://api.trigger.dev'

/**
 * The OIDC token of a deployed Trigger.dev run, asked for with the run's own token, as `auth.getOIDCToken` does.
 *
 * @see https://trigger.dev/docs/oidc
 */
export const obtainFromTriggerDev: ObtainIdentity = ([address = '', credential = ''], context) => {
  if (credential === '') throw gaveNone(platform, 'TRIGGER_RUN_TOKEN is not set outside a deployed run')
  const base = platformAddress(address || defaultAddress, 'TRIGGER_API_URL')
  const url = `${base.href.replace(/\/+$/, '')}/api/v1/auth/oidc/token`
  const body = { audience: context.destination.audience }
  return mint(platform, { url, method: 'POST', credential, body }, jsonField('token'), context)
}
