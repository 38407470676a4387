import { customFetch } from '@auth/core'
import type { OAuth2Config, OIDCConfig } from '@auth/core/providers'
import { createSignIn, readPerson, type SignInOptions } from '@valetkey/sdk/sign-in'

/** What {@link connect} needs. Beside these, the options of the SDK's `createSignIn`. */
export interface ConnectOptions extends SignInOptions {
  /** What Auth.js calls it: in `signIn`, in account rows and in the callback's path. */
  readonly id: string
  /** What the button on Auth.js's own page says. */
  readonly name: string
  /** The connector that signs people in, by UID or id. */
  readonly connector: string
  /** What to be told of a person. Default `openid profile email`; `openid` has to be among them. */
  readonly scopes?: readonly string[] | undefined
}

/** The claims of a person, as the gateway puts them. */
export interface ConnectProfile {
  readonly sub: string
  readonly email?: string
  /** Absent where the provider did not say. */
  readonly email_verified?: boolean
  readonly name?: string
  readonly picture?: string
}

/**
 * Returns a provider for Auth.js that signs people in through the issuing point's gateway.
 *
 * The app has no client secret: each code is redeemed with the workload's identity. The account's `providerAccountId`
 * is the gateway's `sub`, which `getToken` takes as the user's id. Account rows hold no token. A user has an email only
 * where the gateway says that it is verified, because Auth.js finds people by it later. Whatever else a provider has can
 * be spread over the result, but not `checks`, `client` and `customFetch`.
 *
 * @throws {ConnectError} `issuing_point_missing`, or `invalid_request` for a malformed option.
 * @see https://authjs.dev/guides/configuring-oauth-providers
 */
export function connect(options: ConnectOptions): OIDCConfig<ConnectProfile> | OAuth2Config<ConnectProfile> {
  const { id, name, connector, scopes, ...ofSignIn } = options
  const signIn = createSignIn(connector, ofSignIn)
  const { clientId, issuer, discoveryUrl, authorizationUrl, tokenUrl, userinfoUrl } = signIn
  const params = { scope: (scopes ?? ['openid', 'profile', 'email']).join(' ') }
  const shared = {
    id,
    name,
    clientId,
    issuer,
    // It would send a secret that it was given once. This one is made for each request, by the fetch below.
    client: { token_endpoint_auth_method: 'none' },
    [customFetch]: signIn.fetch,
    account: () => ({}),
    profile(claims: ConnectProfile) {
      const person = readPerson(claims)
      return {
        id: person.sub,
        name: person.name ?? null,
        email: person.emailVerified ? (person.email ?? null) : null,
        image: person.picture ?? null,
      }
    },
  }
  // By discovery Auth.js insists on the issuer's name in the callback (RFC 9207), and on the nonce in the ID token.
  if (discoveryUrl !== undefined)
    return { ...shared, type: 'oidc', checks: ['pkce', 'state', 'nonce'], authorization: { params } }
  return {
    ...shared,
    type: 'oauth',
    checks: ['pkce', 'state'],
    authorization: { url: authorizationUrl, params },
    token: tokenUrl,
    userinfo: userinfoUrl,
  }
}
