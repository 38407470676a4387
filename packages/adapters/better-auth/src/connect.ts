import { createSignIn, type Person, type SignInOptions } from '@valetkey/sdk/sign-in'
import type { GenericOAuthConfig, GenericOAuthUserInfo } from 'better-auth/plugins/generic-oauth'

/** What {@link connect} needs. Beside these, the options of the SDK's `createSignIn`. */
export interface ConnectOptions<ID extends string = string> extends SignInOptions {
  /** What Better Auth calls it: in `signIn.social`, in account rows and in the callback's path. */
  readonly providerId: ID
  /** The connector that signs people in, by UID or id. */
  readonly connector: string
  /** What to be told of a person. Default `openid profile email`; `openid` has to be among them. */
  readonly scopes?: readonly string[] | undefined
}

/**
 * Returns a provider for Better Auth's `genericOAuth` that signs people in through the issuing point's gateway.
 *
 * The app has no client secret: each code is redeemed with the workload's identity. The account's id is the gateway's
 * `sub`, which `getToken` takes as the user's id. No token is given to Better Auth, so it stores none. An address
 * counts as verified only where the gateway says so. Whatever else a `GenericOAuthConfig` has can be spread over the
 * result, but not `getToken`, `getUserInfo` and `pkce`.
 *
 * @throws {ConnectError} `issuing_point_missing`, or `invalid_request` for a malformed option.
 * @see https://www.better-auth.com/docs/plugins/generic-oauth
 */
export function connect<const ID extends string>(options: ConnectOptions<ID>): GenericOAuthConfig<ID> {
  const { providerId, connector, scopes, ...ofSignIn } = options
  const signIn = createSignIn(connector, ofSignIn)
  const { clientId, discoveryUrl, authorizationUrl } = signIn
  return {
    providerId,
    clientId,
    scopes: [...(scopes ?? ['openid', 'profile', 'email'])],
    pkce: true,
    // By discovery Better Auth knows the issuer, and refuses a callback that names another one (RFC 9207).
    ...(discoveryUrl === undefined ? { authorizationUrl } : { discoveryUrl }),
    async getToken({ code, redirectURI, codeVerifier = '' }) {
      const { person, scopes: given } = await signIn.redeem({ code, redirectUri: redirectURI, codeVerifier })
      // What stands beside `raw` and `scopes` would be stored: no token does.
      return { scopes: [...given], raw: { [redeemed]: person } }
    },
    // Only somebody whose code was redeemed above. Better Auth also offers ID tokens that a browser sends in, which for
    // a connector of two projects may have been issued to the other one: they hold nothing under this symbol.
    async getUserInfo({ raw }) {
      const person = (raw as Redeemed | undefined)?.[redeemed]
      return person === undefined ? null : userInfoOf(person)
    },
    accountSubject: ({ profile }) => profile.sub ?? '',
  }
}

const redeemed: unique symbol = Symbol('redeemed')

interface Redeemed {
  readonly [redeemed]?: Person
}

function userInfoOf({ sub, email, emailVerified, name, picture }: Person): GenericOAuthUserInfo {
  return {
    sub,
    emailVerified,
    ...(email === undefined ? {} : { email }),
    ...(name === undefined ? {} : { name }),
    ...(picture === undefined ? {} : { image: picture }),
  }
}
