import { createHash, randomBytes } from 'node:crypto'
import type { SignIn } from '@valetkey/sdk/sign-in'
import { createPerson } from './sign-in-person.ts'

/** A sign-in without a framework, up to the code: what `redeem` takes. */
export async function codeByHand(
  { authorizationUrl, clientId }: SignIn,
  redirectUri: string,
  login: string,
): Promise<{ readonly code: string; readonly redirectUri: string; readonly codeVerifier: string }> {
  const codeVerifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid email',
    code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const { url } = await createPerson().signIn(`${authorizationUrl}?${query}`, { login, before: redirectUri })
  return { code: url.searchParams.get('code') ?? '', redirectUri, codeVerifier }
}
