import type { ObtainIdentity } from '../identity-source.ts'
import { gaveNone, jsonField, mint, platformAddress } from '../mint.ts'

const platform = 'GitHub Actions'

/**
 * The OIDC token of a GitHub Actions job, asked for with the issuing point as its audience and afresh for every
 * exchange (it lives five minutes).
 *
 * @see https://docs.github.com/actions/reference/security/oidc
 */
export const obtainFromGithubActions: ObtainIdentity = ([address = '', credential = ''], context) => {
  if (address === '' || credential === '')
    throw gaveNone(platform, '`permissions: id-token: write` is missing in the workflow')
  const url = platformAddress(address, 'ACTIONS_ID_TOKEN_REQUEST_URL')
  // It has a query already: the audience is added to it, encoded.
  url.searchParams.set('audience', context.destination.audience)
  return mint(platform, { url: url.href, method: 'GET', credential }, jsonField('value'), context)
}
