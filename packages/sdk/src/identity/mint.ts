import { ConnectError, identityUnavailable } from '../errors/connect-error.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import { type Outgoing, send } from '../http/send.ts'
import type { IdentityContext } from './identity-source.ts'
import { unverifiedClaims } from './unverified-claims.ts'

/**
 * Asks a platform for an identity, and checks what comes back: status, shape, audience and expiry.
 *
 * @param field where the token is in the answer.
 * @throws {ConnectError} `identity_unavailable`, naming `platform`.
 */
export async function mint(
  platform: string,
  outgoing: Outgoing,
  field: string,
  context: IdentityContext,
): Promise<string> {
  const answer = await send(context, outgoing).catch((error: unknown) => {
    if (error instanceof ConnectError && error.code !== 'aborted')
      throw identityUnavailable(`${platform} gave no identity: ${error.message}`)
    throw error
  })
  if (answer.status !== 200)
    throw identityUnavailable(`${platform} gave no identity: it answered ${answer.status}`)
  const token = parseJsonObject(answer.text)?.[field]
  const claims = typeof token === 'string' ? unverifiedClaims(token) : undefined
  if (typeof token !== 'string' || claims === undefined)
    throw identityUnavailable(`${platform} gave no identity: its answer holds no token`)
  if (claims.audiences.length !== 1 || claims.audiences[0] !== context.destination.audience)
    throw identityUnavailable(
      `${platform} gave an identity for another audience than ${context.destination.audience}`,
    )
  if (claims.expiresAtSeconds === undefined || claims.expiresAtSeconds * 1000 <= context.now())
    throw identityUnavailable(
      `${platform} gave an identity that has expired: is the clock of this machine right?`,
    )
  return token
}
