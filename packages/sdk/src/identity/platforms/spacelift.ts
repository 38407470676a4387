import type { ObtainIdentity } from '../identity-source.ts'
import { checkUnexpired } from '../mint.ts'
import { readTokenFile } from '../read-token-file.ts'

const path = '/mnt/workspace/spacelift.oidc'

/**
 * The OIDC token of a Spacelift run, when `VALETKEY_IDENTITY` names it. Its audience is the account and not the issuing
 * point: whoever receives it can use it wherever that account's runs are trusted.
 *
 * @see https://docs.spacelift.io/integrations/cloud-providers/oidc
 */
export const obtainFromSpacelift: ObtainIdentity = async ([token = ''], { destination, now }) =>
  checkUnexpired(
    'Spacelift',
    token || (await readTokenFile(path, 'that Spacelift', destination.audience)),
    now(),
  )
