import type {
  ConnectorRow,
  ConsentRequestRow,
  GrantRow,
  IssuedTokenRow,
  Schema,
  SigningKeyRow,
} from '../store/schema.ts'
import type { SealContext } from './seal.ts'

/** The row of `installation` that shows whether the key ring fits the database. */
export const canaryName = 'key-ring-canary'

/** Where a connector's secrets belong. `version` grows with every change, so that an old value never opens again. */
export function connectorSecretsContext(row: Pick<ConnectorRow, 'id' | 'version'>): SealContext {
  return { table: 'connectors', column: 'secrets', rowId: row.id, version: row.version, connectorId: row.id }
}

/**
 * Where an issued token belongs. It never changes, hence version 1. Subject and request are in it, so that a token can't
 * be relabelled to answer somebody else, or a narrower request.
 */
export function issuedTokenContext(
  row: Pick<
    IssuedTokenRow,
    'id' | 'connector_id' | 'project_id' | 'environment' | 'subject_key' | 'request_key' | 'installation_id'
  >,
): SealContext {
  return {
    table: 'issued_tokens',
    column: 'token',
    rowId: `${row.id}/${row.request_key}`,
    version: 1,
    connectorId: row.connector_id,
    projectId: row.project_id,
    environment: row.environment,
    userId: row.subject_key,
    ...(row.installation_id !== null && { installationId: row.installation_id }),
  }
}

/** What says to whom a grant belongs. */
export type GrantPlace = Pick<
  GrantRow,
  | 'id'
  | 'connector_id'
  | 'owner'
  | 'project_id'
  | 'environment'
  | 'kind'
  | 'issuer'
  | 'user_id'
  | 'installation_id'
  | 'credential_version'
>

/** Where a grant's credential belongs: to one owner's one user or tenant, and to one refresh. */
export function grantContext(row: GrantPlace): SealContext {
  return {
    table: 'grants',
    column: 'credential',
    rowId: `${row.id}/${row.kind}/${row.owner}`,
    version: row.credential_version,
    connectorId: row.connector_id,
    projectId: row.project_id,
    environment: row.environment,
    issuer: row.issuer,
    userId: row.user_id,
    installationId: row.installation_id,
  }
}

/** What says to whom a consent request belongs. */
export type ConsentPlace = Pick<
  ConsentRequestRow,
  'id' | 'kind' | 'connector_id' | 'owner' | 'project_id' | 'environment' | 'issuer' | 'user_id'
>

/** Where what a consent request holds belongs: `pending` before the callback, `credential` after it. */
export function consentContext(row: ConsentPlace, column: 'pending' | 'credential'): SealContext {
  return {
    table: 'consent_requests',
    column,
    rowId: `${row.id}/${row.kind}/${row.owner}`,
    version: 1,
    connectorId: row.connector_id,
    projectId: row.project_id,
    environment: row.environment,
    issuer: row.issuer,
    userId: row.user_id,
  }
}

const consentPlace = [
  'id',
  'kind',
  'connector_id',
  'owner',
  'project_id',
  'environment',
  'issuer',
  'user_id',
] as const

/** Where a private key belongs. The purpose is in it, so that a key can't be relabelled to sign something else. */
export function signingKeyContext(row: Pick<SigningKeyRow, 'id' | 'purpose'>): SealContext {
  return { table: 'signing_keys', column: 'private_jwk', rowId: `${row.purpose}/${row.id}`, version: 1 }
}

/** Where the canary belongs. */
export const canaryContext: SealContext = {
  table: 'installation',
  column: 'value',
  rowId: canaryName,
  version: 1,
}

/** The row of `installation` with the secret behind the subjects of the sign-in gateway. */
export const subjectSecretName = 'sign-in-subject-secret'

/** Where that secret belongs. It never changes: everybody would become somebody else. */
export const subjectSecretContext: SealContext = {
  table: 'installation',
  column: 'value',
  rowId: subjectSecretName,
  version: 1,
}

/** A column whose values are sealed. */
export interface SealedColumn {
  readonly table: keyof Schema
  readonly column: string
  /** The primary key. */
  readonly key: string
  /** Read beside key and column, for the context. */
  readonly select: readonly string[]
  /** The one row whose column is sealed, where the others are not. */
  readonly only?: string
  context(row: Readonly<Record<string, unknown>>): SealContext
}

function define<Table extends keyof Schema, Row>(column: {
  readonly table: Table
  readonly column: keyof Schema[Table] & string
  readonly key: keyof Schema[Table] & string
  readonly select: readonly (keyof Schema[Table] & keyof Row & string)[]
  readonly only?: string
  readonly context: (row: Row) => SealContext
}): SealedColumn {
  // The row was read from this table with these columns.
  return { ...column, context: (row) => column.context(row as Row) }
}

/**
 * Every sealed column, the canary last. A column that is missing here is lost when its key leaves the ring: whoever
 * adds one adds it here and to the test that counts the sealed values of a full database.
 */
export const sealedColumns: readonly SealedColumn[] = [
  define({
    table: 'connectors',
    column: 'secrets',
    key: 'id',
    select: ['id', 'version'],
    context: connectorSecretsContext,
  }),
  define({
    table: 'issued_tokens',
    column: 'token',
    key: 'id',
    select: [
      'id',
      'connector_id',
      'project_id',
      'environment',
      'subject_key',
      'request_key',
      'installation_id',
    ],
    context: issuedTokenContext,
  }),
  define({
    table: 'grants',
    column: 'credential',
    key: 'id',
    select: [...consentPlace, 'installation_id', 'credential_version'],
    context: grantContext,
  }),
  define({
    table: 'consent_requests',
    column: 'pending',
    key: 'id',
    select: consentPlace,
    context: (row: ConsentPlace) => consentContext(row, 'pending'),
  }),
  define({
    table: 'consent_requests',
    column: 'credential',
    key: 'id',
    select: consentPlace,
    context: (row: ConsentPlace) => consentContext(row, 'credential'),
  }),
  define({
    table: 'signing_keys',
    column: 'private_jwk',
    key: 'id',
    select: ['id', 'purpose'],
    context: signingKeyContext,
  }),
  define({
    table: 'installation',
    column: 'value',
    key: 'name',
    select: [],
    only: subjectSecretName,
    context: () => subjectSecretContext,
  }),
  define({
    table: 'installation',
    column: 'value',
    key: 'name',
    select: [],
    only: canaryName,
    context: () => canaryContext,
  }),
]
