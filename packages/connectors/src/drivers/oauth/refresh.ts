import * as client from 'openid-client'
import type { GrantCredential, RefreshResult, RotatedTokens } from '../../consent.ts'
import type { ProviderAccess } from '../../driver.ts'
import type { OAuthConnection } from './connection.ts'
import { appendTargets } from './consent.ts'
import { refreshedCredential, rememberedBy } from './credential.ts'
import { exchange, spoken } from './exchange.ts'

/**
 * A new access token for a refresh token.
 *
 * `keep` has the rotated refresh token before anything else looks at the answer: at many providers the old one is
 * spent already, so that a fault in between would lose the grant.
 *
 * @throws {ProviderFault}
 */
export async function refreshCredential(
  connection: OAuthConnection,
  credential: GrantCredential,
  access: ProviderAccess,
  keep: (rotated: RotatedTokens) => Promise<void>,
): Promise<RefreshResult> {
  const { refreshToken } = credential
  if (!connection.refreshTokens || refreshToken === undefined) return { outcome: 'ended' }
  const remembered = rememberedBy(credential)
  const parameters = new URLSearchParams()
  // Strict servers refuse a refresh whose `resource` differs from that of the consent.
  appendTargets(parameters, connection, remembered)
  if (connection.quirks.refreshSendsRedirectUri && remembered.redirectUri !== undefined)
    parameters.set('redirect_uri', remembered.redirectUri)
  const result = await exchange(
    connection,
    access,
    (config) => client.refreshTokenGrant(config, refreshToken, parameters),
    { keep },
  )
  if (result.outcome === 'answered')
    return {
      outcome: 'refreshed',
      credential: refreshedCredential(connection, credential, result, access.now()),
    }
  if (result.code === 'invalid_grant') return { outcome: 'ended' }
  return { outcome: 'refused', message: `${connection.provider} refused to refresh${spoken(result.code)}` }
}
