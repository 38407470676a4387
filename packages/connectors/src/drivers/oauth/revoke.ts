import * as client from 'openid-client'
import type { GrantCredential } from '../../consent.ts'
import { type ProviderAccess, ProviderFault } from '../../driver.ts'
import { configure, type OAuthConnection } from './connection.ts'
import { asFault, codeOf, plainFetch, spoken } from './exchange.ts'

/** Ends a grant by RFC 7009: by its refresh token, which takes the access tokens along, else by its access token. */
export async function endGrant(
  connection: OAuthConnection,
  credential: GrantCredential,
  access: ProviderAccess,
): Promise<'revoked' | 'already_ended' | 'unsupported'> {
  if (connection.server.revocationEndpoint === undefined) return 'unsupported'
  if (credential.refreshToken !== undefined)
    return await endToken(connection, credential.refreshToken, 'refresh_token', access)
  if (credential.accessToken === undefined) return 'already_ended'
  return await endToken(connection, credential.accessToken, 'access_token', access)
}

/**
 * Ends one token by RFC 7009.
 *
 * The answer is the same whether the server knew the token or not (§2.2): both leave it dead.
 *
 * @throws {ProviderFault} also when the server refuses, because the token then lives.
 */
export async function endToken(
  connection: OAuthConnection,
  token: string,
  hint: 'access_token' | 'refresh_token',
  access: ProviderAccess,
): Promise<'revoked' | 'already_ended'> {
  const { provider, server } = connection
  if (server.revocationEndpoint === undefined)
    throw new ProviderFault(`${provider} has no revocation endpoint: the token lives until it expires`)
  const config = await configure(connection, access, plainFetch(connection, access))
  try {
    await client.tokenRevocation(config, token, { token_type_hint: hint })
    return 'revoked'
  } catch (error) {
    const code = codeOf(error)
    // Google and others say this of a token they no longer know, where the RFC wants 200.
    if (error instanceof client.ResponseBodyError && error.error === 'invalid_token') return 'already_ended'
    if (code !== undefined) throw new ProviderFault(`${provider} refused to end the token${spoken(code)}`)
    throw asFault(connection, error)
  }
}
