import { z } from 'zod'
import type { GrantCredential } from '../consent.ts'
import { type ProviderAccess, ProviderFault } from '../driver.ts'
import { callProvider, readAnswer } from '../http.ts'
import type { OAuthConnection } from './oauth/connection.ts'
import { refreshCredential } from './oauth/refresh.ts'

const provider = 'Slack'
const revokeAnswer = z.object({ ok: z.boolean(), error: z.string().max(64).optional() })

/**
 * Ends a grant at Slack by its token, which is the grant.
 *
 * Slack ends a token only while it lives: an expired one is refreshed first.
 *
 * @param connect is called only where that is necessary: a connector may have lost its client since.
 */
export async function endSlackGrant(
  connect: () => OAuthConnection,
  apiUrl: string,
  credential: GrantCredential,
  access: ProviderAccess,
): Promise<'revoked' | 'already_ended' | 'unsupported'> {
  const { accessToken, refreshToken } = credential
  const first = accessToken === undefined ? 'expired' : await revoke(apiUrl, accessToken, access)
  if (first !== 'expired') return first
  if (refreshToken === undefined) return 'already_ended'
  // Nothing is kept: what this gives is ended with the next call, and where that fails nobody holds it.
  const fresh = await refreshCredential(connect(), credential, access, async () => undefined)
  if (fresh.outcome === 'ended') return 'already_ended'
  if (fresh.outcome === 'refused') throw new ProviderFault('Slack did not refresh the token to be ended')
  const second = await revoke(apiUrl, fresh.credential.accessToken ?? '', access)
  if (second === 'expired') throw new ProviderFault('Slack did not end the token')
  return second
}

async function revoke(
  apiUrl: string,
  token: string,
  access: ProviderAccess,
): Promise<'revoked' | 'already_ended' | 'unsupported' | 'expired'> {
  const response = await callProvider(access, {
    provider,
    method: 'POST',
    url: `${apiUrl}/auth.revoke`,
    headers: { accept: 'application/json', authorization: `Bearer ${token}` },
  })
  if (response.status === 404) return 'unsupported'
  const { ok, error } = readAnswer(provider, response, revokeAnswer)
  if (ok) return 'revoked'
  if (error === 'unknown_method') return 'unsupported'
  if (error === 'token_expired') return 'expired'
  if (error === 'token_revoked' || error === 'account_inactive' || error === 'invalid_auth')
    return 'already_ended'
  throw new ProviderFault('Slack did not end the token')
}
