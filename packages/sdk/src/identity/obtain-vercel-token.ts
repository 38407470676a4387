import { identityUnavailable } from '../errors/connect-error.ts'
import { checkCredential } from './check-credential.ts'
import type { IdentityContext, IdentitySource } from './identity-source.ts'
import { mint } from './mint.ts'
import { unverifiedClaims } from './unverified-claims.ts'

const exchangeUrl = 'https://oidc.vercel.com/~token'

// The token goes to its own issuer, which takes the audiences that Vercel Connect takes.
const vercelIssuer = { audience: exchangeUrl, origin: 'https://oidc.vercel.com', isVercelConnect: true }

/**
 * A deployment's token, for Vercel Connect; one with the right audience in exchange for it, for others.
 *
 * @param found the token of the request and that of the variable, or one of them, or nothing.
 */
export async function obtainVercelToken(
  found: string,
  source: IdentitySource,
  context: IdentityContext,
): Promise<string> {
  if (found === '')
    throw identityUnavailable(
      'Vercel gives this code no identity: enable OIDC federation in the project’s settings, and ask while a ' +
        'request is being served. To use another source here, name it in VALETKEY_IDENTITY',
    )
  // An old token of a request must not win over a newer one pulled into the environment, nor the other way round.
  const token = found.split(' ').reduce((one, other) => (expiryOf(other) > expiryOf(one) ? other : one))
  if (context.destination.isVercelConnect) return token
  const body = {
    token: checkCredential(token, source, vercelIssuer, context.now()),
    aud: context.destination.audience,
  }
  return mint('Vercel', { url: exchangeUrl, method: 'POST', body }, 'token', context)
}

function expiryOf(token: string): number {
  return unverifiedClaims(token)?.expiresAtSeconds ?? 0
}
