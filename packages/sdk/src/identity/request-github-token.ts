import { identityUnavailable } from '../errors/connect-error.ts'
import { isLoopbackHost } from '../issuing-point/parse-issuing-point-url.ts'
import type { IdentityContext } from './identity-source.ts'
import { mint } from './mint.ts'

/**
 * A GitHub Actions job's OIDC token for the issuing point.
 *
 * @param found the request URL and the request token, one on each line; empty when the job has none.
 */
export function requestGithubToken(found: string, context: IdentityContext): Promise<string> {
  if (found === '')
    throw identityUnavailable(
      'GitHub Actions gives this job no identity: `permissions: id-token: write` is missing in the workflow. ' +
        'To use another source here, name it in VALETKEY_IDENTITY',
    )
  const end = found.indexOf('\n')
  const url = URL.canParse(found.slice(0, end)) ? new URL(found.slice(0, end)) : undefined
  // The environment could point anywhere, and the request token would go there.
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLoopbackHost(url.hostname)))
    throw identityUnavailable('ACTIONS_ID_TOKEN_REQUEST_URL is not an https address')
  // It has a query already: the audience is added to it, encoded.
  url.searchParams.set('audience', context.destination.audience)
  return mint(
    'GitHub Actions',
    { url: url.href, method: 'GET', credential: found.slice(end + 1) },
    'value',
    context,
  )
}
