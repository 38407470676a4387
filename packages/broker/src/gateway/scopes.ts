import type { GrantIdentity } from '@valetkey/connectors'

/** What the gateway can tell of a person, by scope (OpenID Connect Core §5.4). */
export const gatewayScopes: readonly string[] = ['openid', 'profile', 'email']

/** The claims that a scope covers. */
export const gatewayClaims: readonly string[] = ['sub', 'name', 'picture', 'email', 'email_verified']

/** The scopes of a request as far as the gateway knows them; the others are ignored (OpenID Connect Core §3.1.2.1). */
export function knownScopes(scope: string | undefined): readonly string[] {
  if (scope === undefined) return gatewayScopes
  const wanted = scope.split(' ')
  return gatewayScopes.filter((known) => wanted.includes(known))
}

/** The scopes of a request of which something can be told: an app must not take a name for given that nobody gave. */
export function givenScopes(identity: GrantIdentity, scopes: readonly string[]): readonly string[] {
  return scopes.filter((scope) => scope === 'openid' || Object.keys(claimsFor(identity, [scope])).length > 0)
}

/** What may be told of a person under these scopes: only what the provider vouched for. */
export function claimsFor(
  identity: GrantIdentity,
  scopes: readonly string[],
): Readonly<Record<string, unknown>> {
  const { email, emailVerified, name, picture } = identity.claims ?? {}
  return {
    ...(scopes.includes('email') && email !== undefined
      ? // Absent where the provider did not say: an app that finds nothing treats the address as unproven.
        { email, ...(emailVerified === undefined ? {} : { email_verified: emailVerified }) }
      : {}),
    ...(scopes.includes('profile')
      ? {
          ...(name === undefined ? {} : { name }),
          ...(picture === undefined ? {} : { picture }),
        }
      : {}),
  }
}
