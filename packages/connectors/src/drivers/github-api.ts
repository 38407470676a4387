import { type MintRefusal, type ProviderAccess, ProviderFault } from '../driver.ts'
import { callProvider, type ProviderAnswer, type ProviderCall } from '../http.ts'
import { refused } from '../refusal.ts'

/** For messages. */
export const provider = 'GitHub'

/**
 * GitHub's REST API, spoken to with one credential.
 *
 * `path` is appended to the address of the API: the caller encodes whatever it puts into it.
 */
export type GitHubApi = (
  method: ProviderCall['method'],
  path: string,
  body?: unknown,
) => Promise<ProviderAnswer>

/** The API at `apiUrl` for the holder of `credential`, an app's JWT or an installation token. */
export function gitHubApi(access: ProviderAccess, apiUrl: string, credential: string): GitHubApi {
  return async (method, path, body) => {
    const answer = await callProvider(access, {
      provider,
      method,
      url: `${apiUrl}${path}`,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${credential}`,
        // GitHub refuses calls without one.
        'user-agent': 'valetkey',
        'x-github-api-version': '2022-11-28',
      },
      ...(body === undefined ? {} : { body }),
    })
    // GitHub's primary and secondary rate limits come as 403 as well as 429; only the headers tell.
    const { status, headers } = answer
    if (status === 403 && (headers.has('retry-after') || headers.get('x-ratelimit-remaining') === '0'))
      throw new ProviderFault('GitHub answered that its rate limit is reached', { status })
    return answer
  }
}

/** What an answer to the app means when it is a definite no whatever was asked; else `undefined`. */
export function refusalOf(answer: ProviderAnswer): MintRefusal | undefined {
  if (answer.status === 401)
    return refused(
      'provider_refused',
      'GitHub did not accept the key of the app: an operator must check appId and privateKeyPem',
    )
  if (answer.status >= 400)
    return refused(
      'provider_refused',
      `GitHub refused (status ${answer.status}): the installation may be suspended, or the app not allowed to do this`,
    )
  return undefined
}
