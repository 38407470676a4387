import type { TokenRequest } from '@valetkey/protocol'
import type { CryptoKey } from 'openid-client'

/** How a client proves itself at the token endpoint (RFC 6749 §2.3, RFC 7523 §2.2). */
export type ClientAuthentication = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'

/** A private key that signs, and the `kid` under which the server knows its public half. */
export interface ClientKey {
  readonly key: CryptoKey
  readonly kid?: string | undefined
}

/** What a connector is called at a server that knows no connectors, as parameters of RFC 8693 §2.1. */
export interface ExchangeTarget {
  readonly audience?: string | readonly string[] | undefined
  /** Sent besides the `resources` of the call. */
  readonly resource?: string | readonly string[] | undefined
  /** Sent besides the `scopes` of the call. */
  readonly scope?: string | readonly string[] | undefined
  /** The user on whose behalf the call asks, by the server's name for them. Without it, calls for a user are refused. */
  readonly requestedSubject?: string | undefined
}

/** Settings of {@link tokenExchange}. Unknown keys throw. `issuer`, `tokenEndpoint` or both are needed. */
export interface TokenExchangeConfig {
  /**
   * The issuer identifier of the server: https, or http on loopback. Its token endpoint is discovered (OpenID Connect
   * Discovery §4, else RFC 8414 §3) with the first call, and has to be at the same origin.
   */
  readonly issuer?: string | undefined
  /** Where to ask: https, or http on loopback. Nothing is discovered then. */
  readonly tokenEndpoint?: string | undefined
  /** What identities are minted for. Default: the issuer, without a trailing slash; else the endpoint's origin. */
  readonly audience?: string | undefined
  /** The client this workload is at the server. Default: none, and the identity alone is the proof. */
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
  readonly clientKey?: CryptoKey | ClientKey | undefined
  /** Default: `private_key_jwt` with a key, `client_secret_basic` with a secret, else `none`. */
  readonly clientAuthentication?: ClientAuthentication | undefined
  /** Default `urn:ietf:params:oauth:token-type:id_token`, which is what platforms give. */
  readonly subjectTokenType?: string | undefined
  /** Default: absent, and the server chooses. With it, an answer that names another type is refused. */
  readonly requestedTokenType?: string | undefined
  /**
   * What to ask for in place of a connector. `undefined` says that there is nothing of that name: `forbidden`.
   * Default: the connector is the `audience`, as brokers read it, for calls of the app itself.
   */
  readonly target?: ((connector: string, request: TokenRequest) => ExchangeTarget | undefined) | undefined
  /** Milliseconds since the epoch, from which `expires_in` counts. Default `Date.now`. */
  readonly now?: (() => number) | undefined
}
