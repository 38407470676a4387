import type { AuthorizeResponse, ConsentStatusResponse } from '@valetkey/protocol'
import type { ConnectOptions, ConnectTokenSubject } from '../request/types.ts'

/** How the person is led through an installation, and who is told. Every option of a call may be given too. */
export interface StartInstallationOptions extends ConnectOptions {
  /**
   * Where the browser goes afterwards, with `?request=…&code=…` or `?request=…&error=…`: https, or http on loopback.
   * Dropped, and a device code asked for, while `VALETKEY_INTERACTIVE_AUTH_MODE` is `detached`.
   */
  readonly callbackUrl?: string | undefined
  /** Told of every change: https; http on loopback too while the issuing point itself is there. See `verifyWebhook`. */
  readonly webhook?: string | undefined
  /** Also make a `deviceCode` that a person types in at `verificationUri`, on any device. Default `false`. */
  readonly deviceCode?: boolean | undefined
  /** Milliseconds the request may take. Default: the issuing point's, 600,000 at a broker. At most 86,400,000. */
  readonly expiresInMs?: number | undefined
  /**
   * Absent, consent alone activates nothing: `completeAuthorization` does. `'consent'` gives that up, where the
   * attachment was made with `--dangerously-bind-on-consent`: whoever is sent the link consents for the subject.
   */
  readonly binding?: 'consent' | undefined
}

/** How the person is led through an authorization, and who is told. Every option of a call may be given too. */
export interface StartAuthorizationOptions extends StartInstallationOptions {
  /** OpenID Connect's `prompt`, for providers that know it. */
  readonly prompt?: string | undefined
  /** Further parameters for the provider's authorization endpoint. Those of OAuth itself are refused. */
  readonly additionalParams?: Readonly<Record<string, string>> | undefined
}

/** What is to be installed, and where. */
export interface StartInstallationParams {
  readonly installationId?: string | undefined
  readonly tenantId?: string | undefined
  readonly scopes?: readonly string[] | undefined
}

/**
 * A consent under way. `url` is where the browser goes, and needs no code; a `deviceCode` is typed in at
 * `verificationUri` instead. `verifier` proves who began, and is a secret: keep it, with `request`, in the session of
 * the person who is to consent, and never in a URL or a log.
 */
export type StartedAuthorization = AuthorizeResponse

/** What `completeAuthorization` takes. */
export interface CompleteAuthorizationParams {
  readonly request: string
  /** From the session in which `code` arrived, never from the URL. */
  readonly verifier: string
  /** What the consenting browser brought back, or showed to be typed in. */
  readonly code: string
  /** The subject of the session in which `code` arrived. Absent for an installation. */
  readonly subject?: ConnectTokenSubject | undefined
}

/** Which consent to wait for, as it was started. */
export interface WaitForAuthorizationParams {
  readonly request: string
  readonly verifier: string
}

/** How to wait. Every option of a call may be given too. */
export interface WaitForAuthorizationOptions extends ConnectOptions {
  /** Milliseconds the whole wait may take. Default 86,400,000, the longest that a request can live. */
  readonly timeoutMs?: number | undefined
  /** Told the first status and every change. `consented` is no success yet. What it throws is ignored. */
  readonly onStatus?: ((status: AuthorizationStatus) => void) | undefined
  /** Milliseconds between the first polls; they back off to 5,000. Default 2,000. */
  readonly intervalMs?: number | undefined
}

/** Where a consent stands. Only `active` means that tokens can be had. */
export type AuthorizationStatus = ConsentStatusResponse
