import type { Authority, AuthorizationDetail, EnforcedBy, Subject, SubjectType } from '@valetkey/protocol'
import type { ConsentDriver } from './consent.ts'

/** A JSON object as it is stored: plain data, no class instances. */
export type JsonObject = { readonly [key: string]: unknown }

/** What an operator entered for a connector, split into what may be shown and what must be encrypted. */
export interface ConnectorSettings {
  /** Public configuration: shown to operators and attached workloads. */
  readonly configuration: JsonObject
  /** Encrypted at rest; never shown again. */
  readonly secrets: JsonObject
}

/** The way a driver talks to its provider. `fetch` enforces the egress rules; a driver never uses the global one. */
export interface ProviderAccess {
  readonly fetch: typeof globalThis.fetch
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly signal: AbortSignal
}

/** What a driver does, as data: the generic code decides by this, never by the name of a service. */
export interface DriverBehaviour {
  /** Subjects it can issue for, the first being the default ceiling. */
  readonly subjects: readonly SubjectType[]
  /** Which parts of a request it understands; any other is refused as `invalid_request`. */
  readonly narrows: {
    readonly scopes: boolean
    readonly resources: boolean
    readonly audience: boolean
    /** The `type`s of `authorizationDetails` it understands; `['*']`: whatever the provider does. */
    readonly authorizationDetails: readonly string[]
    readonly installationId: boolean
  }
  /** True where a user's token is of all that the user granted: nothing but scopes narrows it. */
  readonly usersTokensAreWhole?: true
  /** True when every credential it hands out outlives its lease: `attach` then warns. */
  readonly standing: boolean
  /** True when minting calls the provider: an `intent` event is then committed first. */
  readonly callsProvider: boolean
  /** Present where a credential is not sent as `Authorization: Bearer …` (RFC 8693 §2.2.1). */
  readonly tokenType?: 'N_A'
  /** True when the provider can end a single issued token. */
  readonly revokesTokens: boolean
}

/** A request after the ceiling has been applied: exactly what is to be minted. */
export interface MintRequest extends Authority {
  readonly subject: Subject
  readonly installationId?: string
  readonly audience: readonly string[]
}

/** A provider credential, and the truth about it. */
export interface MintedToken {
  readonly outcome: 'minted'
  readonly token: string
  /** Milliseconds since the epoch, from the provider; `null` when the provider knows no end. */
  readonly expiresAtMs: number | null
  readonly granted: Authority
  readonly enforcedBy: EnforcedBy
  /** The only origins the token may be sent to. */
  readonly origins: readonly string[]
  readonly installationId?: string
  readonly tenantId?: string
  readonly externalSubject?: string
  readonly name?: string
  readonly metadata?: JsonObject
}

/** A definite no. A fault (network, 5xx, nonsense) is thrown as {@link ProviderFault} instead. */
export interface MintRefusal {
  readonly outcome: 'refused'
  readonly reason:
    | 'no_credential'
    | 'installation_required'
    | 'above_grant'
    | 'invalid_request'
    | 'provider_refused'
  /** For the caller: names the part and the next step; never contains a secret or an upstream body. */
  readonly message: string
}

/** The result of holding one authorization detail against a ceiling. */
export type HeldDetail =
  | { readonly within: true; readonly detail: AuthorizationDetail }
  /** `part` names what exceeds, for the caller's message: `repositories acme/other`, `permissions contents:write`. */
  | { readonly within: false; readonly part: string }

/** The provider could not be reached or answered with a fault: the caller may try again. */
export class ProviderFault extends Error {
  override readonly name = 'ProviderFault'
  /** The HTTP status upstream, if there was one. */
  readonly status: number | undefined
  constructor(message: string, options: { readonly status?: number } = {}) {
    super(message)
    this.status = options.status
  }
}

/** What an operator entered is wrong. `message` names the field, never its value. */
export class InvalidSettings extends Error {
  override readonly name = 'InvalidSettings'
}

/** Facts learnt from the provider when a connector is created or updated; merged into its public configuration. */
export interface CheckedSettings {
  readonly configuration: JsonObject
}

/**
 * One provider.
 *
 * A driver is stateless: everything it needs comes by argument, everything it learns goes back in the result.
 */
export interface Driver {
  /** The name given to `connect create`, and `service` on the wire. */
  readonly service: string
  /** `type` on the wire. */
  readonly type: string
  /** For people. */
  readonly title: string
  readonly behaviour: DriverBehaviour
  /** The subjects of one connector, among those of `behaviour`; absent: all of them. */
  subjectsOf?(configuration: JsonObject): readonly SubjectType[]
  /** JSON Schema of `data` on creation, for `GET /v1/connect/services/{service}?schemas=true`. */
  readonly dataSchema: JsonObject
  /** The names of the fields of `data` that are encrypted. */
  readonly secretFields: readonly string[]

  /** Splits and validates what an operator entered. @throws {InvalidSettings} */
  parseSettings(data: unknown): ConnectorSettings
  /** The settings after `connect update`: the fields given replace the stored ones. @throws {InvalidSettings} */
  mergeSettings(current: ConnectorSettings, data: unknown): ConnectorSettings
  /** Asks the provider whether the credential works. @throws {InvalidSettings} @throws {ProviderFault} */
  check(settings: ConnectorSettings, access: ProviderAccess): Promise<CheckedSettings>
  /** Home page of the provider for this connector, when derivable. */
  clientUrl(configuration: JsonObject): string | undefined

  /** Brings one detail to canonical form (sorted, lists for strings). @throws {InvalidSettings} naming the field. */
  normalizeDetail(detail: AuthorizationDetail): AuthorizationDetail
  /**
   * Holds a wanted detail against one of the ceiling, both normalized and of one `type`. A field that `wanted`
   * leaves out takes the ceiling's value; one that exceeds it makes the whole detail exceed.
   */
  holdDetail(wanted: AuthorizationDetail, ceiling: AuthorizationDetail): HeldDetail

  /**
   * True when a token with just these details would reach everything the app can: in production such a request
   * needs an attachment made with `--full-access`. Always false where the provider can't narrow anyway.
   */
  isFullAccess(details: readonly AuthorizationDetail[]): boolean

  mint(
    settings: ConnectorSettings,
    request: MintRequest,
    access: ProviderAccess,
  ): Promise<MintedToken | MintRefusal>
  /** Consent and refresh, where a person or a tenant can grant something. */
  readonly consent?: ConsentDriver
  /** Ends one token at the provider; `unsupported` where this connector has no call for it. Present exactly when
   * `behaviour.revokesTokens`. @throws {ProviderFault} */
  revokeToken?(
    settings: ConnectorSettings,
    token: string,
    access: ProviderAccess,
  ): Promise<'revoked' | 'already_ended' | 'unsupported'>
}
