import * as client from 'openid-client'
import type { GrantCredential } from '../../consent.ts'
import { type ProviderAccess, ProviderFault } from '../../driver.ts'
import { configure, type OAuthConnection } from './connection.ts'
import { asFault, codeOf, plainFetch, spoken } from './exchange.ts'

/**
 * Ends a grant by RFC 7009: its refresh token, then its access token, which not every server takes along (§2.1).
 *
 * @throws {ProviderFault} also when one of the two may still live.
 */
export async function endGrant(
  connection: OAuthConnection,
  credential: GrantCredential,
  access: ProviderAccess,
): Promise<'revoked' | 'already_ended' | 'unsupported'> {
  if (connection.server.revocationEndpoint === undefined) return 'unsupported'
  const { accessToken, accessExpiresAtMs, refreshToken } = credential
  const refresh =
    refreshToken === undefined
      ? 'already_ended'
      : await endToken(connection, refreshToken, 'refresh_token', access)
  if (accessToken === undefined) return refresh
  try {
    const own = await endToken(connection, accessToken, 'access_token', access)
    return refresh === 'revoked' ? refresh : own
  } catch (error) {
    const expired = accessExpiresAtMs !== null && accessExpiresAtMs <= access.now()
    // Some servers end refresh tokens only: nothing more can be done there.
    if (refreshToken !== undefined && (expired || error instanceof UnsupportedTokenType)) return refresh
    throw error
  }
}

/** The server ends no tokens of this kind (RFC 7009 §2.2.1). */
class UnsupportedTokenType extends ProviderFault {}

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
    if (error instanceof client.ResponseBodyError && error.error === 'unsupported_token_type')
      throw new UnsupportedTokenType(`${provider} does not end tokens of this kind`)
    if (code !== undefined) throw new ProviderFault(`${provider} refused to end the token${spoken(code)}`)
    throw asFault(connection, error)
  }
}
