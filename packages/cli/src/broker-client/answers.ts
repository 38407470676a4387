import { anyObject, type Check, flag, list, nullable, number, object, optional, text } from './check.ts'

// What commands read of the answers of docs/management-api.md. Everything else in an answer is passed on by
// `--json` untouched, so that a newer broker can say more.

/** A project. */
export interface Project {
  readonly id: string
  readonly name: string
}
/** Passes a {@link Project}. */
export const project: Check<Project> = object<Project>({ id: text, name: text })

/** One page of projects. */
export interface ProjectPage {
  readonly projects: readonly Project[]
  readonly cursor: string | null
}
/** Passes a {@link ProjectPage}. */
export const projectPage: Check<ProjectPage> = object<ProjectPage>({
  projects: list(project),
  cursor: nullable(text),
})

/** An identity for a laptop. */
export interface DevelopmentIdentity {
  readonly token: string
  readonly expiresAt: number
  readonly environment: string
}
/** Passes a {@link DevelopmentIdentity}. */
export const developmentIdentity: Check<DevelopmentIdentity> = object<DevelopmentIdentity>({
  token: text,
  expiresAt: number,
  environment: text,
})

/** A connector. */
export interface Connector {
  readonly id: string
  readonly uid: string
  readonly name: string
  readonly type: string
  readonly service: string
}
/** Passes a {@link Connector}. */
export const connector: Check<Connector> = object<Connector>({
  id: text,
  uid: text,
  name: text,
  type: text,
  service: text,
})

/** A connector that was just created. */
export interface CreatedConnector extends Connector {
  readonly redirectUri: string | null | undefined
  readonly supportedSubjectTypes: readonly string[] | null | undefined
  /** Public configuration. */
  readonly data: Readonly<Record<string, unknown>> | null | undefined
}
/** Passes a {@link CreatedConnector}. */
export const createdConnector: Check<CreatedConnector> = object<CreatedConnector>({
  id: text,
  uid: text,
  name: text,
  type: text,
  service: text,
  redirectUri: optional(text),
  supportedSubjectTypes: optional(list(text)),
  data: optional(anyObject),
})

/** One page of connectors. */
export interface ConnectorPage {
  readonly clients: readonly Connector[]
  readonly cursor: string | null
}
/** Passes a {@link ConnectorPage}. */
export const connectorPage: Check<ConnectorPage> = object<ConnectorPage>({
  clients: list(connector),
  cursor: nullable(text),
})

/** The attachments of a connector to one project. */
export interface Attachments {
  readonly uid: string
  readonly project: Project
  readonly enabledEnvironments: readonly string[]
  readonly warnings: readonly string[] | null | undefined
}
/** Passes {@link Attachments}. */
export const attachments: Check<Attachments> = object<Attachments>({
  uid: text,
  project,
  enabledEnvironments: list(text),
  warnings: optional(list(text)),
})

/** Every project a connector is attached to. */
export interface AttachedProjects {
  readonly projects: readonly Attachments[]
}
/** Passes {@link AttachedProjects}. */
export const attachedProjects: Check<AttachedProjects> = object<AttachedProjects>({
  projects: list(attachments),
})

/** What an access token may do. */
export interface AccessToken {
  readonly id: string
  readonly role: string | null | undefined
  readonly project: unknown
  readonly environment: string | null | undefined
  readonly expiresAt: number | null | undefined
}
/** Passes an {@link AccessToken}. */
export const accessToken: Check<AccessToken> = object<AccessToken>({
  id: text,
  role: optional(text),
  project: (_value): _value is unknown => true,
  environment: optional(text),
  expiresAt: optional(number),
})

/** An access token at the only moment it can be seen. */
export type CreatedAccessToken = AccessToken & { readonly token: string }
/** Passes a {@link CreatedAccessToken}. */
export const createdAccessToken: Check<CreatedAccessToken> = (value): value is CreatedAccessToken =>
  accessToken(value) && 'token' in value && text(value.token)

/** One event of the audit trail. */
export interface AuditRecord {
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly [field: string]: unknown
}
/** One page of the audit trail, newest first. */
export interface AuditPage {
  readonly events: readonly AuditRecord[]
  readonly cursor: string | null
}
const auditRecord = object<{ seq: number; at: number; kind: string }>({
  seq: number,
  at: number,
  kind: text,
}) as Check<AuditRecord>
/** Passes an {@link AuditPage}. */
export const auditPage: Check<AuditPage> = object<AuditPage>({
  events: list(auditRecord),
  cursor: nullable(text),
})

/** What a check of the audit chain found. */
export interface AuditVerdict {
  readonly valid: boolean
  readonly events: number
  readonly tail: string
  readonly problem: unknown
}
/** Passes an {@link AuditVerdict}. */
export const auditVerdict: Check<AuditVerdict> = object<AuditVerdict>({
  valid: flag,
  events: number,
  tail: text,
  problem: (_value): _value is unknown => true,
})

/** What was removed. */
export const removed: Check<Readonly<Record<string, unknown>>> = anyObject

/** Whose credential the broker took a call's to be. */
export interface Caller {
  readonly kind: string
}
/** Passes a {@link Caller}. */
export const caller: Check<Caller> = object<Caller>({ kind: text })

/** A connector as whoever is attached to it sees it. */
export interface NamedConnector {
  readonly id: string
  readonly uid: string
  readonly clientUrl: string | null | undefined
  readonly supportsRevocation: boolean | null | undefined
}
/** Passes a {@link NamedConnector}. */
export const namedConnector: Check<NamedConnector> = object<NamedConnector>({
  id: text,
  uid: text,
  clientUrl: optional(text),
  supportsRevocation: optional(flag),
})

/** What came of ending tokens and grants. */
export interface Revocation {
  readonly tokensFound: number
  readonly deleted: number
  readonly providerRevoked: number
  readonly providerSkipped: number
  readonly providerFailed: number
}
/** Passes a {@link Revocation}. */
export const revocation: Check<Revocation> = object<Revocation>({
  tokensFound: number,
  deleted: number,
  providerRevoked: number,
  providerSkipped: number,
  providerFailed: number,
})

/** Why one token of an import was not taken. */
export interface ImportFault {
  readonly code: string
  readonly message: string
}
/** What became of one token of an import. */
export interface ImportedToken {
  readonly succeeded: boolean
  readonly error: ImportFault | null | undefined
}
/** What became of an import. */
export interface ImportAnswer {
  readonly accepted: number
  readonly imported: number
  readonly tokens: readonly ImportedToken[]
}
/** Passes an {@link ImportAnswer}. */
export const importAnswer: Check<ImportAnswer> = object<ImportAnswer>({
  accepted: number,
  imported: number,
  tokens: list(
    object<ImportedToken>({
      succeeded: flag,
      error: optional(object<ImportFault>({ code: text, message: text })),
    }),
  ),
})

/** A grant: a user's consent, or an installation of the app. */
export interface Grant {
  readonly id: string
  readonly kind: string
  readonly project: { readonly name: string | null | undefined }
  readonly environment: string
  readonly namespace: string | null | undefined
  readonly userId: string | null | undefined
  readonly installationId: string | null | undefined
  readonly state: string
  readonly isDefault: boolean
  readonly scopes: readonly string[]
  readonly accessExpiresAt: number | null | undefined
  readonly revokeOutcome: string | null | undefined
}
/** One page of grants. */
export interface GrantPage {
  readonly grants: readonly Grant[]
  readonly cursor: string | null
}
/** Passes a {@link GrantPage}. */
export const grantPage: Check<GrantPage> = object<GrantPage>({
  grants: list(
    object<Grant>({
      id: text,
      kind: text,
      project: object<Grant['project']>({ name: optional(text) }),
      environment: text,
      namespace: optional(text),
      userId: optional(text),
      installationId: optional(text),
      state: text,
      isDefault: flag,
      scopes: list(text),
      accessExpiresAt: optional(number),
      revokeOutcome: optional(text),
    }),
  ),
  cursor: nullable(text),
})

/** A grant that was changed. */
export interface ChangedGrant {
  readonly id: string
  readonly uid: string
}
/** Passes a {@link ChangedGrant}. */
export const changedGrant: Check<ChangedGrant> = object<ChangedGrant>({ id: text, uid: text })
