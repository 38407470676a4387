import type { GrantCredential } from '../consent.ts'
import { type ProviderAccess, ProviderFault } from '../driver.ts'
import { callProvider, type ProviderAnswer, unexpectedAnswer } from '../http.ts'
import { gitHubApi, provider } from './github-api.ts'
import type { OAuthConnection } from './oauth/connection.ts'
import { refreshCredential } from './oauth/refresh.ts'

/**
 * Ends all that a person granted the App, by any of its live tokens.
 *
 * GitHub finds the authorization by a token that still lives: an expired one is refreshed first.
 */
export async function endAuthorization(
  connection: OAuthConnection,
  apiUrl: string,
  credential: GrantCredential,
  access: ProviderAccess,
): Promise<'revoked' | 'already_ended'> {
  let token = credential.accessToken ?? ''
  const { accessExpiresAtMs: end } = credential
  if (end !== null && end <= access.now() && credential.refreshToken !== undefined) {
    // Nothing is kept: whatever this gives is ended with the next call.
    const fresh = await refreshCredential(connection, credential, access, async () => undefined)
    if (fresh.outcome === 'ended') return 'already_ended'
    if (fresh.outcome === 'refused') throw new ProviderFault('GitHub did not refresh the token to be ended')
    token = fresh.credential.accessToken ?? ''
  }
  const answer = await callToEnd(connection, apiUrl, 'grant', token, access)
  if (answer.status === 204) return 'revoked'
  // A 404 or 422 also comes from a server that does not know the call: only the token itself proves that it is dead.
  const user = await gitHubApi(access, apiUrl, token)('GET', '/user')
  if (user.status === 401) return 'already_ended'
  throw unexpectedAnswer(provider, answer.status)
}

/** Ends one user token. @throws {ProviderFault} */
export async function endUserToken(
  connection: OAuthConnection,
  apiUrl: string,
  token: string,
  access: ProviderAccess,
): Promise<void> {
  const answer = await callToEnd(connection, apiUrl, 'token', token, access)
  if (answer.status !== 204) throw unexpectedAnswer(provider, answer.status)
}

function callToEnd(
  { client }: OAuthConnection,
  apiUrl: string,
  what: 'grant' | 'token',
  token: string,
  access: ProviderAccess,
): Promise<ProviderAnswer> {
  const basic = Buffer.from(`${client.id}:${client.secret ?? ''}`).toString('base64')
  return callProvider(access, {
    provider,
    method: 'DELETE',
    url: `${apiUrl}/applications/${encodeURIComponent(client.id)}/${what}`,
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Basic ${basic}`,
      'user-agent': 'valetkey',
      'x-github-api-version': '2022-11-28',
    },
    body: { access_token: token },
  })
}
