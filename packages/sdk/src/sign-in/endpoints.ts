import type { Destination } from '../issuing-point/issuing-point.ts'
import type { SignIn } from './types.ts'

/** Where the gateway of an issuing point is. */
export type Endpoints = Pick<
  SignIn,
  'issuer' | 'discoveryUrl' | 'authorizationUrl' | 'tokenUrl' | 'userinfoUrl' | 'revocationUrl' | 'jwksUrl'
>

// Its gateway has an address of its own.
const vercelGateway = 'https://connect.vercel.com'

/** By the address of the issuing point alone: nothing is fetched, and no answer can lead anywhere else. */
export function endpointsOf(destination: Destination): Endpoints {
  const issuer = destination.isVercelConnect ? vercelGateway : destination.audience
  return {
    issuer,
    discoveryUrl: destination.isVercelConnect ? undefined : `${issuer}/.well-known/openid-configuration`,
    authorizationUrl: `${issuer}/oauth/authorize`,
    tokenUrl: `${issuer}/oauth/token`,
    userinfoUrl: `${issuer}/oauth/userinfo`,
    revocationUrl: `${issuer}/oauth/revoke`,
    jwksUrl: `${issuer}/oauth/jwks`,
  }
}
