import { checkCredential } from '../check-credential.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { gaveNone, jsonField, mint } from '../mint.ts'
import { unverifiedClaims } from '../unverified-claims.ts'

const platform = 'Vercel'
const exchangeUrl = 'https://oidc.vercel.com/~token'

// The token goes to its own issuer, which takes the audiences that Vercel Connect takes.
const vercelIssuer = { audience: exchangeUrl, origin: 'https://oidc.vercel.com', isVercelConnect: true }

/**
 * The OIDC token of a Vercel deployment: of the request being served, or `VERCEL_OIDC_TOKEN` (builds, development),
 * whichever lives longer. Vercel Connect takes it as it is; for any other issuing point it is exchanged at Vercel for
 * one with the right audience.
 *
 * @see https://vercel.com/docs/oidc
 */
export const obtainFromVercel: ObtainIdentity = ([found = ''], context) => {
  if (found === '')
    throw gaveNone(
      platform,
      'enable OIDC federation in the project’s settings, and ask while a request is being served',
    )
  // An old token of a request must not win over a newer one pulled into the environment, nor the other way round.
  const longest = found.split(' ').reduce((one, other) => (expiryOf(other) > expiryOf(one) ? other : one))
  if (context.destination.isVercelConnect) return longest
  const token = checkCredential(longest, 'vercel', vercelIssuer, context.now())
  const body = { token, aud: context.destination.audience }
  return mint(platform, { url: exchangeUrl, method: 'POST', body }, jsonField('token'), context)
}

function expiryOf(token: string): number {
  return unverifiedClaims(token)?.expiresAtSeconds ?? 0
}
