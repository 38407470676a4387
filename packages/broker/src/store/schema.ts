import type { GrantIdentity, GrantKind } from '@valetkey/connectors'
import type { Authority, AuthorizationDetail, ConsentStatus, SubjectType } from '@valetkey/protocol'
import type { ColumnType, Generated, GeneratedAlways, Insertable, Selectable } from 'kysely'

/** A `jsonb` column: parsed when read, written as its JSON text. */
type Json<Value> = ColumnType<Value, string, string>
type NullableJson<Value> = ColumnType<Value | null, string | null, string | null>

/** Moments are milliseconds since the epoch in `bigint` columns, so that both engines and the wire agree. */
type Milliseconds = number

export interface ProjectTable {
  id: string
  name: string
  allow_development_identities: boolean
  created_at: Milliseconds
}

/** One trust rule: all its claims must match, each by one of its values. */
export interface TrustRuleTable {
  id: string
  project_id: string
  environment: string
  issuer: string
  audience: string
  claims: Json<Readonly<Record<string, readonly string[]>>>
  refuse: ColumnType<Readonly<Record<string, readonly string[]>>, string | undefined, string>
  max_age_seconds: number
  created_at: Milliseconds
}

/** One row: `trust`, bumped with every change to projects and rules, so that a process knows its copy is stale. */
export interface RevisionTable {
  name: string
  value: number
}

export interface ConnectorTable {
  id: string
  uid: string
  name: string
  service: string
  type: string
  configuration: Json<Readonly<Record<string, unknown>>>
  /** Sealed JSON of the driver's secrets. */
  secrets: string
  /** Grows with every change of configuration or secrets; part of the associated data of `secrets`. */
  version: number
  created_at: Milliseconds
  updated_at: Milliseconds
  /** Set when removed; the row is purged once nothing issued from it can still be alive. */
  removed_at: Milliseconds | null
}

export interface AttachmentTable {
  id: string
  connector_id: string
  project_id: string
  environment: string
  subjects: NullableJson<readonly SubjectType[]>
  scopes: NullableJson<readonly string[]>
  resources: NullableJson<readonly string[]>
  authorization_details: NullableJson<readonly AuthorizationDetail[]>
  max_ttl_seconds: number | null
  full_access: boolean
  /** Attachments of one connector with one namespace share their grants. */
  user_namespace: string | null
  /** Consent alone activates a grant, for clients that can't complete it. */
  bind_on_consent: Generated<boolean>
  /** Grows with every revocation under this attachment: an answer that was decided before one does not leave after it. */
  revocations: Generated<number>
  /** The app was installed for it once: its tokens come from recorded installations only, from then on. */
  installs: Generated<boolean>
  /** Whose grants it uses: `place/<project>/<environment>`, or `namespace/<name>`. */
  owner: GeneratedAlways<string>
  /** Grows with every change of the ceiling: tokens issued under an older one are not served again. */
  version: number
  created_at: Milliseconds
  updated_at: Milliseconds
}

/** What a stored token answers besides the secret itself. */
export interface IssuedTokenFacts {
  readonly requested: Authority
  readonly granted: Authority
  readonly enforcedBy: 'provider' | 'proxy' | 'none'
  readonly origins: readonly string[]
  readonly standing?: true
  /** How the audit trail names the token: SHA-256 if minted, an HMAC under the key ring if standing. */
  readonly digest: string
  readonly installationId?: string
  readonly tenantId?: string
  readonly externalSubject?: string
  readonly name?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** A token that was issued and may be served again, or waits to be ended at the provider. */
export interface IssuedTokenTable {
  id: string
  connector_id: string
  connector_version: number
  attachment_id: string
  attachment_version: number
  project_id: string
  environment: string
  subject_type: SubjectType
  /** SHA-256 of the subject: what `DELETE …/tokens` names. */
  subject_key: string
  /** SHA-256 of the canonical request: what may be served again to the same attachment. */
  request_key: string
  installation_id: string | null
  token: string
  facts: Json<IssuedTokenFacts>
  /** What the caller was told. */
  expires_at: Milliseconds
  /** When the provider itself ends it; null when it never does. */
  provider_expires_at: Milliseconds | null
  issued_at: Milliseconds
  /** Set when it may no longer be served. */
  ended_at: Milliseconds | null
  /** When to (re)try to end it at the provider; null when there is nothing to do. */
  revoke_at: Milliseconds | null
  revoke_attempts: number
}

/** A redirect URI of the sign-in gateway; it says which attachment's project asks. */
export interface RedirectUriTable {
  connector_id: string
  uri: string
  attachment_id: string
}

/**
 * `consent_needed`: the provider has ended it, or can't refresh it; `ended`: revoked here, kept until it is ended at
 * the provider too.
 */
export type GrantState = 'active' | 'consent_needed' | 'ended'

/** What is kept in order to mint: a user's consent, or an installation of the app in a tenant. */
export interface GrantTable {
  id: string
  connector_id: string
  /** As {@link AttachmentTable.owner}. */
  owner: string
  /** Where it was made. */
  project_id: string
  environment: string
  kind: GrantKind
  /** Who vouches for `user_id`; empty where nobody was named, and for installations. */
  issuer: string
  user_id: string
  /** Empty where the provider has none. */
  installation_id: string
  /** Chosen when a request names no installation. */
  is_default: boolean
  state: GrantState
  identity: Json<GrantIdentity>
  /** What the provider granted, for people; the credential has the whole. */
  scopes: Json<readonly string[]>
  /** Sealed JSON of the driver's `GrantCredential`. */
  credential: string
  /** Grows with every change of `credential`; part of its associated data. */
  credential_version: number
  /** The credential can be refreshed. */
  refreshable: boolean
  access_expires_at: Milliseconds | null
  /** When the present access token was obtained. */
  obtained_at: Milliseconds
  last_used_at: Milliseconds | null
  /** Refreshes ahead that failed one after another. */
  refresh_attempts: Generated<number>
  /** It is not refreshed ahead before this; whoever asks for its token does not wait for it. */
  refresh_retry_at: Milliseconds | null
  /** The process that refreshes it now. */
  lease_holder: string | null
  /** By the database's clock, which all replicas share. */
  lease_until: Milliseconds | null
  /** Fencing: grows with every lease and every end, so that whoever lost the lease can't store. */
  lease_version: Generated<number>
  created_at: Milliseconds
  updated_at: Milliseconds
  ended_at: Milliseconds | null
  /** When to (re)try to end it at the provider; null when there is nothing to do. */
  revoke_at: Milliseconds | null
  revoke_attempts: Generated<number>
  revoke_outcome: 'revoked' | 'unsupported' | 'failed' | null
}

/** What a consent request asks the provider for, after the ceiling has been applied. */
export interface ConsentAsk extends Authority {
  readonly audience: readonly string[]
  readonly prompt?: string
  readonly installationId?: string
  readonly tenantId?: string
  readonly additionalParams: Readonly<Record<string, string>>
}

/** Where the sign-in gateway goes on after consent. */
export interface GatewayAsk {
  readonly redirectUri: string
  readonly codeChallenge: string
  readonly scopes: readonly string[]
  readonly state?: string
  readonly nonce?: string
}

/** A consent that somebody began. Times out; never reused. */
export interface ConsentRequestTable {
  id: string
  kind: 'authorize' | 'install' | 'sign_in'
  connector_id: string
  attachment_id: string
  owner: string
  project_id: string
  environment: string
  issuer: string
  user_id: string
  ask: Json<ConsentAsk>
  binding: 'complete' | 'consent'
  /** SHA-256 of the verifier. */
  verifier_hash: string
  return_url: string | null
  webhook_url: string | null
  /** SHA-256 of the code typed in at `/device`; null once it was. */
  device_code_hash: string | null
  gateway: NullableJson<GatewayAsk>
  status: ConsentStatus
  error_code: string | null
  error_message: string | null
  entered_by: 'url' | 'device' | null
  /** SHA-256 of the cookie of the browser that was sent to the provider. */
  browser_hash: string | null
  /** SHA-256 of OAuth's `state`; null once it came back. */
  state_hash: string | null
  /** Sealed JSON: what the driver needs to redeem the callback. */
  pending: string | null
  /** Sealed JSON of what the provider gave, until the request is completed. */
  credential: string | null
  /** SHA-256 of the code that completes the request. */
  code_hash: string | null
  code_expires_at: Milliseconds | null
  /** Failed completions. */
  tries: Generated<number>
  grant_id: string | null
  created_at: Milliseconds
  expires_at: Milliseconds
}

/** What a consent webhook is still to be told. */
export interface WebhookDeliveryTable {
  id: string
  request_id: string
  url: string
  body: string
  attempts: Generated<number>
  next_at: Milliseconds
  created_at: Milliseconds
}

/** How often a subject's tokens were ended under one attachment: a token minted across such an end is not kept. */
export interface SubjectEpochTable {
  attachment_id: string
  subject_key: string
  epoch: number
}

export interface AccessTokenTable {
  id: string
  secret_hash: string
  role: 'owner' | 'manager' | 'auditor' | null
  project_id: string | null
  environment: string | null
  /** True for the owner token that a development broker makes at every start. */
  ephemeral: boolean
  created_at: Milliseconds
  expires_at: Milliseconds | null
}

export interface SigningKeyTable {
  id: string
  purpose: string
  algorithm: string
  public_jwk: Json<Readonly<Record<string, unknown>>>
  /** Sealed private JWK. */
  private_jwk: string
  created_at: Milliseconds
}

export interface AuditEventTable {
  /** Order of insertion over all chains; gaps mean nothing, the chain's `seq` has none. */
  position: Generated<number>
  chain: string
  seq: number
  at: Milliseconds
  kind: string
  code: string | null
  request_id: string | null
  project_id: string | null
  environment: string | null
  connector_id: string | null
  /** Canonical JSON (RFC 8785) of the event: the text that was hashed. */
  body: string
  previous_hash: string
  hash: string
}

export interface AuditCheckpointTable {
  id: Generated<number>
  at: Milliseconds
  jws: string
}

/** Small facts about the whole installation: the key ring's canary. */
export interface InstallationTable {
  name: string
  value: string
}

export interface Schema {
  projects: ProjectTable
  trust_rules: TrustRuleTable
  revisions: RevisionTable
  connectors: ConnectorTable
  attachments: AttachmentTable
  issued_tokens: IssuedTokenTable
  subject_epochs: SubjectEpochTable
  redirect_uris: RedirectUriTable
  grants: GrantTable
  consent_requests: ConsentRequestTable
  webhook_deliveries: WebhookDeliveryTable
  access_tokens: AccessTokenTable
  signing_keys: SigningKeyTable
  audit_events: AuditEventTable
  audit_checkpoints: AuditCheckpointTable
  installation: InstallationTable
}

export type ProjectRow = Selectable<ProjectTable>
export type TrustRuleRow = Selectable<TrustRuleTable>
export type ConnectorRow = Selectable<ConnectorTable>
export type AttachmentRow = Selectable<AttachmentTable>
export type IssuedTokenRow = Selectable<IssuedTokenTable>
export type NewIssuedToken = Insertable<IssuedTokenTable>
export type GrantRow = Selectable<GrantTable>
export type ConsentRequestRow = Selectable<ConsentRequestTable>
export type NewConsentRequest = Insertable<ConsentRequestTable>
export type WebhookDeliveryRow = Selectable<WebhookDeliveryTable>
export type AccessTokenRow = Selectable<AccessTokenTable>
export type SigningKeyRow = Selectable<SigningKeyTable>
