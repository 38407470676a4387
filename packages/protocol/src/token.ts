/** On whose behalf a token is asked for. */
export type Subject = AppSubject | UserSubject | JwtBearerSubject | TokenSubject

/** The connector's own app. */
export interface AppSubject {
  readonly type: 'app'
}

/** A named user. The caller vouches for `id`: take it from your session, never from a model's arguments. */
export interface UserSubject {
  readonly type: 'user'
  readonly id: string
  readonly issuer?: string
}

/** A subject asserted by a JWT that the connector signs (RFC 7523). */
export interface JwtBearerSubject {
  readonly type: 'jwt-bearer'
  readonly sub: string
  readonly iss?: string
  readonly aud?: string
  readonly additionalClaims?: Readonly<Record<string, unknown>>
}

/** The subject of an upstream token, by token exchange (RFC 8693). */
export interface TokenSubject {
  readonly type: 'token'
  readonly token: string
}

/** The `type` of a {@link Subject}. */
export type SubjectType = Subject['type']

/** One entry of `authorizationDetails` (RFC 9396): a `type`, and fields which that type defines. */
export interface AuthorizationDetail {
  readonly type: string
  readonly [field: string]: unknown
}

/**
 * Narrows a GitHub App installation token.
 *
 * `repositories` are `owner/name`, or a bare `name` when `org` gives the owner; `permissions` are `name:level`
 * as in `contents:read`. The owner picks the installation.
 */
export interface GitHubAppInstallationDetail extends AuthorizationDetail {
  readonly type: 'github_app_installation'
  readonly org?: string
  readonly repositories?: string | readonly string[]
  readonly permissions?: string | readonly string[]
}

/** What narrows a token: the part of a request that a ceiling limits and a grant answers. */
export interface Authority {
  readonly scopes: readonly string[]
  readonly resources: readonly string[]
  readonly authorizationDetails: readonly AuthorizationDetail[]
}

/** Body of `POST /v1/connect/token/{connector}`. */
export interface TokenRequest {
  readonly subject: Subject
  readonly installationId?: string
  readonly audience?: readonly string[]
  /** Absent or `['*']`: everything the attachment's ceiling allows, else the connector's default. */
  readonly scopes?: readonly string[]
  /** Resource indicators (RFC 8707). */
  readonly resources?: readonly string[]
  readonly authorizationDetails?: readonly AuthorizationDetail[]
  /** Milliseconds of life a stored token must have left to be served again. Default 30,000. */
  readonly validityBufferMs?: number
  /** The `tokenId` of a token that the provider rejected: it is replaced if it is still the stored one. */
  readonly rejectedTokenId?: string
  /** Recorded in the audit trail; never part of a cache key. */
  readonly context?: { readonly toolCallId?: string }
}

/** Who holds the token to what was granted: the provider, the issuing point's proxy, or nobody. */
export type EnforcedBy = 'provider' | 'proxy' | 'none'

/** Answer of `POST /v1/connect/token/{connector}`. */
export interface TokenResponse {
  readonly token: string
  /** Identifies this issuance in the audit trail; not a secret. */
  readonly tokenId?: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly connector: { readonly id: string; readonly uid: string; readonly type: string }
  readonly name?: string
  readonly installationId?: string
  readonly tenantId?: string
  readonly externalSubject?: string
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  /** What the request asked for, after defaults. */
  readonly requested?: Authority
  /** What the token really carries. */
  readonly granted?: Authority
  readonly enforcedBy?: EnforcedBy
  /** The only origins the token may be sent to. */
  readonly origins?: readonly string[]
  /** True when the credential outlives `expiresAt`: the provider knows no expiry for it. */
  readonly standing?: true
}

/** Body of `DELETE /v1/connect/connectors/{connector}/tokens`. Without a subject: everything (operators only). */
export interface RevokeTokensRequest {
  readonly subject?: Subject
  readonly installationId?: string
}

/** Answer of `DELETE /v1/connect/connectors/{connector}/tokens`. */
export interface RevokeTokensResponse {
  readonly tokensFound: number
  readonly deleted: number
  readonly providerRevoked: number
  readonly providerSkipped: number
  readonly providerFailed: number
}
