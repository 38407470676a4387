import type { AuthorizationDetail, Subject } from './token.ts'

/** What `authorize` and `install` have in common: how the person is led, and who is told. */
export interface ConsentDelivery {
  /** Where the browser goes afterwards, with `?request=…&code=…` or `?request=…&error=…`. https, or http on loopback. */
  readonly returnUrl?: string
  /** An https URL that is told of every change, with an attestation; never a token, never a code. */
  readonly webhook?: string
  /** Also make a code that a person types in at `<issuing point>/device`. */
  readonly deviceCode?: boolean
  /** How long the request may take, in milliseconds. Default 600,000; at most 86,400,000. */
  readonly expiresInMs?: number
  /**
   * `complete`: consent alone activates nothing, {@link CompleteRequest} does. Absent, the attachment must have been
   * made with `dangerouslyBindOnConsent`.
   */
  readonly binding?: 'complete'
}

/** Body of `POST /v1/connect/authorize/{connector}`. */
export interface AuthorizeRequest extends ConsentDelivery {
  readonly subject: Subject
  readonly installationId?: string
  readonly audience?: readonly string[]
  readonly scopes?: readonly string[]
  readonly resources?: readonly string[]
  readonly authorizationDetails?: readonly AuthorizationDetail[]
  /** OpenID Connect's `prompt`, for providers that know it. */
  readonly prompt?: string
  /**
   * Further parameters for the provider's authorization endpoint: `login_hint` and others that only lead the person;
   * what could widen the consent is refused.
   */
  readonly additionalParams?: Readonly<Record<string, string>>
}

/** Body of `POST /v1/connect/install/{connector}`. */
export interface InstallRequest extends ConsentDelivery {
  readonly installationId?: string
  readonly tenantId?: string
  readonly scopes?: readonly string[]
}

/** Answer of `authorize` and `install`. */
export interface AuthorizeResponse {
  /** Where the person's browser must go. */
  readonly url: string
  /** Names the request; not a secret. */
  readonly request: string
  /** Proves who began the request. A secret: keep it in the session of the person who is to consent. */
  readonly verifier: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  /** What a person types in at `verificationUri`. */
  readonly deviceCode?: string
  /** Where a person types `deviceCode` in; there with it. */
  readonly verificationUri?: string
  readonly connector: {
    readonly id: string
    readonly uid: string
    readonly type: string
    readonly service?: string
    readonly serviceName?: string
    readonly name: string
  }
}

/**
 * Where a request stands. `consented`: the person agreed, nothing is usable yet; `active`: the grant is usable;
 * `denied`, `error` and `expired` are final.
 */
export type ConsentStatus = 'pending' | 'consented' | 'active' | 'denied' | 'error' | 'expired'

/** Body of `POST /v1/connect/requests/{request}/status`. */
export interface ConsentStatusRequest {
  readonly verifier: string
}

/** Answer of `POST /v1/connect/requests/{request}/status`, and the body of the webhook. */
export interface ConsentStatusResponse {
  readonly request: string
  readonly status: ConsentStatus
  /** Why it was `denied`, `error` or `expired`. */
  readonly error?: { readonly code: string; readonly message: string }
}

/** Body of `POST /v1/connect/requests/{request}/complete`. */
export interface CompleteRequest {
  readonly verifier: string
  /** What the consenting browser brought back, or showed to be typed in. */
  readonly code: string
  /** The subject of the session in which `code` arrived; absent for an installation. */
  readonly subject?: Subject
}

/** Answer of `POST /v1/connect/requests/{request}/complete`. */
export interface CompleteResponse {
  readonly request: string
  readonly status: 'active'
}

/** One token of `POST /v1/connect/token/{connector}/import`. */
export interface ImportedToken {
  readonly accessToken: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly subject: Subject
  readonly environment: string
  readonly refreshToken?: string
  /** Milliseconds since the epoch. */
  readonly refreshTokenExpiresAt?: number
  readonly installation?: { readonly id: string; readonly name?: string }
  readonly tenant?: { readonly id: string; readonly name?: string }
  readonly scopes?: readonly string[]
}

/** Body of `POST /v1/connect/token/{connector}/import`. */
export interface ImportTokensRequest {
  /** Whose grants they become; needed of an operator. */
  readonly project?: string
  readonly tokens: readonly ImportedToken[]
}

/** Answer of `POST /v1/connect/token/{connector}/import`. */
export interface ImportTokensResponse {
  readonly accepted: number
  readonly imported: number
  /** In the order of the request. */
  readonly tokens: readonly {
    readonly succeeded: boolean
    readonly error?: { readonly code: string; readonly message: string }
  }[]
}
