import type { ObtainIdentity } from '../identity-source.ts'
import { checkUnexpired, gaveNone } from '../mint.ts'

/**
 * The identity token of a Modal function, when `VALETKEY_IDENTITY` names it. Its audience is `oidc.modal.com` for
 * everybody: whoever receives it can use it wherever that function is trusted.
 *
 * @see https://modal.com/docs/guide/oidc-integration
 */
export const obtainFromModal: ObtainIdentity = ([token = ''], { now }) => {
  if (token === '')
    throw gaveNone(
      'Modal',
      'MODAL_IDENTITY_TOKEN is not set (a sandbox has one only with include_oidc_identity_token)',
    )
  return checkUnexpired('Modal', token, now())
}
