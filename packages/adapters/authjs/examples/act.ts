import { getToken } from '@valetkey/sdk'
import { createSignIn } from '@valetkey/sdk/sign-in'

/** A token of whoever is signed in, for one call. `sub` is what the session says. */
export function linearToken(session: { readonly sub: string }): Promise<string> {
  const { issuer } = createSignIn('linear/login')
  return getToken('linear/login', { subject: { type: 'user', id: session.sub, issuer } })
}
