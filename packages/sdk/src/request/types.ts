import type { AuthorizationDetail, Subject, SubjectType, TokenResponse } from '@valetkey/protocol'

/** On whose behalf a token is asked for. */
export type ConnectTokenSubject = Subject

/** The `type` of a {@link ConnectTokenSubject}. */
export type ConnectSubjectType = SubjectType

/** What is asked for. Fields that are absent, or undefined, leave the choice to the issuing point. */
export interface ConnectTokenParams {
  /** Take a user's id from your session, never from a model's arguments: nobody else checks it. */
  readonly subject: ConnectTokenSubject
  /** The tenant (workspace, organization) in which the provider's app is installed. */
  readonly installationId?: string | undefined
  readonly audience?: readonly string[] | undefined
  /** Absent or `['*']`: all that the attachment allows, else the connector's default. `[]` is an error. */
  readonly scopes?: readonly string[] | undefined
  /** Resource indicators (RFC 8707). */
  readonly resources?: readonly string[] | undefined
  /** Rich authorization requests (RFC 9396). */
  readonly authorizationDetails?: readonly AuthorizationDetail[] | undefined
  /**
   * Milliseconds of life the token must have left. Default 30,000, and never more than half of the token's life.
   * Not part of the cache key.
   */
  readonly validityBufferMs?: number | undefined
}

/** What to revoke: every token of that subject, of one installation when it is named. */
export interface ConnectRevokeParams {
  readonly subject: ConnectTokenSubject
  readonly installationId?: string | undefined
}

/** A token, when it ends, and what it really carries. Frozen: cached answers are shared between callers. */
export type ConnectTokenResponse = TokenResponse

/** Passed to an identity function. */
export interface IdentityRequest {
  /** The audience that the identity must be meant for, as the issuing point names it. */
  readonly audience: string
  /** Aborted when the call gives up. */
  readonly signal: AbortSignal
}

/** Gives the identity at the moment of use. Called for every call; calls with the same result share their tokens. */
export type IdentityFunction = (request: IdentityRequest) => string | Promise<string>

/** Options of every call. Unknown keys throw `invalid_request`. */
export interface ConnectOptions {
  /** The identity to ask with, instead of the one the environment shows. */
  readonly identityToken?: string | IdentityFunction | undefined
  /** The same as `identityToken`, by the name `@vercel/connect` gives it. Giving both throws. */
  readonly vercelToken?: string | IdentityFunction | undefined
  /** Ends this call's wait with `aborted`. Other callers that wait for the same token are not affected. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds this call may take, identity and retries included. Default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Asks the issuing point even if a good token is cached, so that a grant revoked there surfaces now. */
  readonly forceRefresh?: boolean | undefined
  /**
   * The token that its provider has just rejected (a 401). If it is still the cached one, it is forgotten, and the
   * issuing point is asked for another and told which one to replace; if another is cached already, that one is it.
   * Where the rejected one had itself come in place of a rejected one less than a minute ago, a third is not asked for:
   * `user_authorization_required` for a user, `no_token` otherwise. `getToken` and `getTokenResponse` only.
   */
  readonly rejectedToken?: string | undefined
  /** Vercel Connect only: the region to ask, e.g. `sfo1`. Default: `VERCEL_REGION`. */
  readonly region?: string | undefined
  /** Keeps the process alive for a background renewal, as serverless platforms need. Default: Vercel's own. */
  readonly waitUntil?: ((promise: Promise<unknown>) => void) | undefined
  /** Recorded in the issuing point's audit trail; changes neither the token nor the cache. */
  readonly context?: { readonly toolCallId?: string | undefined } | undefined
}
