import type { Authority, AuthorizationDetail } from '@valetkey/protocol'
import type {
  ConnectorSettings,
  JsonObject,
  MintedToken,
  MintRefusal,
  MintRequest,
  ProviderAccess,
} from './driver.ts'

/** What consent makes: a user's grant, or an installation of the app in a tenant. */
export type GrantKind = 'user' | 'installation'

/** What a provider does, for one connector: from the driver's data and the connector's configuration. */
export interface ConsentBehaviour {
  readonly kinds: readonly GrantKind[]
  /** A refresh ends the access token before it: every replica must then share the newest. */
  readonly refreshEndsAccessToken: boolean
  /** The provider can end a grant. */
  readonly endsGrants: boolean
}

/** What a person is asked to agree to. */
export interface ConsentStart {
  readonly kind: GrantKind
  /** Registered with the provider, one per connector. */
  readonly redirectUri: string
  /** Single use; comes back in the callback. */
  readonly state: string
  readonly scopes: readonly string[]
  readonly resources: readonly string[]
  readonly audience: readonly string[]
  readonly authorizationDetails: readonly AuthorizationDetail[]
  readonly prompt?: string
  readonly installationId?: string
  readonly tenantId?: string
  readonly additionalParams: Readonly<Record<string, string>>
  /** Also ask who the person is (`openid`), because the broker will vouch for that. */
  readonly signIn?: boolean
}

/** Where the browser goes, and what {@link ConsentDriver.finish} must be given back (PKCE verifier, nonce). */
export interface ConsentStarted {
  readonly url: string
  /** Kept encrypted until the callback. */
  readonly pending: JsonObject
}

/** What the provider gave. The broker keeps the whole encrypted. */
export interface GrantCredential {
  readonly accessToken?: string
  /** Milliseconds since the epoch; `null` when the provider named no end and none is configured. */
  readonly accessExpiresAtMs: number | null
  readonly refreshToken?: string
  /** Milliseconds since the epoch; absent when unknown. */
  readonly refreshExpiresAtMs?: number
  /** What the provider says it granted. */
  readonly granted: Authority
  /** The driver's own, needed at the next refresh: the exact `resource` used, an instance URL. */
  readonly extra?: JsonObject
}

/** Who consented, as the provider names them. */
export interface GrantIdentity {
  /** Stable and unique at the provider. */
  readonly externalSubject?: string
  readonly installationId?: string
  readonly tenantId?: string
  /** For people: the workspace's or the account's name. */
  readonly name?: string
  /** Claims for the sign-in gateway, only as far as the provider vouches for them. */
  readonly claims?: {
    readonly email?: string
    readonly emailVerified?: boolean
    readonly name?: string
    readonly picture?: string
  }
}

/** A consent that succeeded. */
export interface ConsentFinished {
  readonly outcome: 'granted'
  readonly credential: GrantCredential
  readonly identity: GrantIdentity
}

/** A consent that came to nothing. `message` holds nothing of the provider's text. */
export interface ConsentRefused {
  readonly outcome: 'refused'
  /** `denied`: the person said no. Everything else is `provider_refused`. */
  readonly reason: 'denied' | 'provider_refused'
  readonly message: string
}

/** What a refresh came to. */
export type RefreshResult =
  | { readonly outcome: 'refreshed'; readonly credential: GrantCredential }
  /** `invalid_grant`: the refresh token is of no use any more. */
  | { readonly outcome: 'ended' }
  /** A definite no that says nothing about the grant (`invalid_client`, `invalid_scope`). */
  | { readonly outcome: 'refused'; readonly message: string }

/** What a refresh answer held, before anything else of it is looked at. */
export interface RotatedTokens {
  readonly accessToken?: string
  readonly refreshToken: string
  /** Milliseconds since the epoch; absent when the answer does not say. */
  readonly accessExpiresAtMs?: number
}

/** The part of a driver that knows consent: present where a person or a tenant can grant something. */
export interface ConsentDriver {
  behaviour(configuration: JsonObject): ConsentBehaviour
  /**
   * The fields of the configuration that say where a grant's credential is sent. When one changes, the connector's
   * grants end: nobody who may update a connector gets its users' refresh tokens sent to a host of theirs.
   */
  readonly places: readonly string[]
  /** The names of scopes for people; a scope that is not in it is shown as it is. */
  readonly scopeTitles?: Readonly<Record<string, string>>
  /** Those of one connector, to be shown instead of {@link scopeTitles} where a driver has them. */
  scopeTitlesOf?(configuration: JsonObject): Readonly<Record<string, string>>
  /** What the provider of one connector is called, where the driver's own title does not tell: a host. */
  titleOf?(configuration: JsonObject): string
  /** What a person is asked for when nobody says. */
  defaultScopes(configuration: JsonObject, kind: GrantKind): readonly string[]

  start(
    settings: ConnectorSettings,
    start: ConsentStart,
    access: ProviderAccess,
  ): Promise<ConsentStarted | MintRefusal>
  /**
   * Redeems what came back. `callback` is the whole URL that the browser was sent to; `iss` is checked before the
   * code is (RFC 9207), and an answer with both an error and a code is refused.
   *
   * @throws {ProviderFault}
   */
  finish(
    settings: ConnectorSettings,
    callback: { readonly url: URL; readonly start: ConsentStart; readonly pending: JsonObject },
    access: ProviderAccess,
  ): Promise<ConsentFinished | ConsentRefused>

  /**
   * A token out of the credential as it is, narrowed as far as possible; no call. The broker has checked its end.
   * Without the connector's secrets: they are opened for calls only.
   */
  issue(
    configuration: JsonObject,
    grant: { readonly credential: GrantCredential; readonly identity: GrantIdentity },
    request: MintRequest,
  ): MintedToken | MintRefusal
  /**
   * Refreshes. `keep` is awaited with what the provider's answer holds before anything of it is checked: a rotated
   * refresh token must be durable before any step that can fail.
   *
   * @throws {ProviderFault}
   */
  refresh?(
    settings: ConnectorSettings,
    credential: GrantCredential,
    access: ProviderAccess,
    keep: (rotated: RotatedTokens) => Promise<void>,
  ): Promise<RefreshResult>
  /** Ends the grant at the provider; absent where there is no call for it. @throws {ProviderFault} */
  endGrant?(
    settings: ConnectorSettings,
    credential: GrantCredential,
    access: ProviderAccess,
    /** `accountInUse`: another living grant of the connector is of the same account. What it needs must go on. */
    about: { readonly accountInUse: boolean },
  ): Promise<'revoked' | 'already_ended' | 'unsupported'>
}
