import { getToken } from '@valetkey/sdk'

/** A token of whoever is signed in, for one call. `sub` is what the session says. */
export function linearToken(session: { readonly sub: string }): Promise<string> {
  const issuer = process.env.VALETKEY_URL ?? ''
  return getToken('linear/login', { subject: { type: 'user', id: session.sub, issuer } })
}
