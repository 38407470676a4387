import type { IdentityFunction } from '../request/types.ts'

/** Settings of {@link SignIn}. Unknown keys throw `invalid_request`. */
export interface SignInOptions {
  /**
   * Public URL of a broker: https, or http on loopback. Default: `VALETKEY_URL`, else Vercel Connect on Vercel. The
   * broker calls itself by it as an issuer, so another name of the same machine will not do.
   */
  readonly url?: string | undefined
  /** The identity of the workload, or what gives it. Default: the one the environment shows. */
  readonly identityToken?: string | IdentityFunction | undefined
  /** The same as `identityToken`, by the name `@vercel/connect` gives it. Giving both throws. */
  readonly vercelToken?: string | IdentityFunction | undefined
  /** Used for every request. Default: the global one, at the time of the request. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Milliseconds that one request of the client may take, its identity included. Default 10,000. */
  readonly timeoutMs?: number | undefined
}

/** What the gateway vouches for about a person. */
export interface Person {
  /** The person's name in this project: stable, and unrelated to the one that other projects get. */
  readonly sub: string
  readonly email?: string
  /** True only where the gateway says so: without it, the address may be somebody else's. */
  readonly emailVerified: boolean
  readonly name?: string
  /** An http(s) address. */
  readonly picture?: string
}

/** What a sign-in came to. */
export interface SignedIn {
  readonly person: Person
  /** The scopes of which the gateway told something. */
  readonly scopes: readonly string[]
}

/** The sign-in gateway of an issuing point, and this workload as a client of it. */
export interface SignIn {
  /** The connector: `client_id` everywhere. */
  readonly clientId: string
  /** `iss` of its ID tokens and of its answers (RFC 9207), and the `issuer` of a subject for `getToken`. */
  readonly issuer: string
  /**
   * Its metadata (OpenID Connect Discovery), where its answers are known to name the issuer (RFC 9207) and to hold an ID
   * token. Absent for Vercel Connect, which documents neither.
   */
  readonly discoveryUrl: string | undefined
  readonly authorizationUrl: string
  readonly tokenUrl: string
  readonly userinfoUrl: string
  readonly revocationUrl: string
  readonly jwksUrl: string
  /**
   * A `fetch` that authenticates this workload at the token and revocation endpoint, and is an ordinary one anywhere
   * else: by HTTP Basic, with the connector and an identity obtained for this one request (RFC 6749 §2.3.1).
   *
   * Redirects of those two endpoints are not followed, and their answers are read to the end, up to 256 KiB.
   *
   * @throws {ConnectError} `identity_unavailable` when there is no identity, or none that may go there;
   *   `identity_invalid` when the gateway did not accept it; `timeout`, `unavailable`.
   */
  readonly fetch: typeof globalThis.fetch
  /**
   * Turns the code of a callback into the person who signed in. The gateway's tokens are dropped here.
   *
   * Sent once, never again: a code that is redeemed twice ends the access that it led to.
   *
   * @throws {ConnectError} as {@link SignIn.fetch}; `invalid_request` when the gateway refused the code;
   *   `invalid_response` for an answer that names nobody.
   */
  redeem(callback: {
    readonly code: string
    /** As it was in the authorization request. */
    readonly redirectUri: string
    /** Behind the request's `code_challenge` (RFC 7636). */
    readonly codeVerifier: string
  }): Promise<SignedIn>
}
