import type { GrantKind } from '@valetkey/connectors'
import { type Kysely, sql } from 'kysely'
import type { AuditGuard } from '../audit/trail.ts'
import { compiledQuery } from './compiled-query.ts'
import { referenceColumn } from './connectors.ts'
import { ended } from './grant-states.ts'
import type { AttachmentRow, GrantRow, IssuedTokenRow, Schema } from './schema.ts'

/** What one round trip tells about a token request. */
export interface Admission {
  /** Revision of projects and trust rules at the time of the read. */
  readonly trustRevision: number
  /** Absent when there is no such connector, or it is not attached: the caller can't tell which. */
  readonly link?: Link
}

/** A connector and the attachment by which a workload may use it. */
export interface Link {
  readonly connector: {
    readonly id: string
    readonly uid: string
    readonly name: string
    readonly service: string
    readonly type: string
    readonly version: number
  }
  readonly attachmentId: string
  /** What the answer depends on, and must still hold when its event commits. */
  readonly guard: AuditGuard
  /** How often tokens of this subject were ended; see {@link recordToken}. */
  readonly epoch: number
  /** The newest token that answers the same request and still has enough life; or what is needed to make one. */
  readonly found: { readonly stored: StoredTokenRow } | Unserved
}

/** What a request needs that no stored token answers. */
export interface Unserved {
  readonly attachment: AttachmentRow
  /** The grant of the subject, and the connector's configuration, which says how to hand its token out. */
  readonly grant?: { readonly row: GrantRow; readonly configuration: Readonly<Record<string, unknown>> }
}

/** As much of a stored token as serving it takes. */
export type StoredTokenRow = Pick<
  IssuedTokenRow,
  'id' | 'token' | 'facts' | 'expires_at' | 'installation_id' | 'issued_at'
>

/** What a round trip is asked for. */
export interface AdmissionQuery {
  readonly projectId: string
  readonly environment: string
  readonly connector: string
  readonly requestKey: string
  readonly subjectKey: string
  /** A token that must not be served again; empty for none. */
  readonly rejectedTokenId: string
  readonly validityBufferMs: number
  /** Whose grant would answer; an empty kind for none. */
  readonly grantKind: GrantKind | ''
  readonly grantIssuer: string
  readonly grantUserId: string
  /** Empty for the default one. */
  readonly grantInstallationId: string
  readonly now: number
}

/** For a look at connector and attachment alone. */
export const noToken: Pick<
  AdmissionQuery,
  | 'requestKey'
  | 'subjectKey'
  | 'rejectedTokenId'
  | 'validityBufferMs'
  | 'grantKind'
  | 'grantIssuer'
  | 'grantUserId'
  | 'grantInstallationId'
> = {
  requestKey: '',
  subjectKey: '',
  rejectedTokenId: '',
  validityBufferMs: 0,
  grantKind: '',
  grantIssuer: '',
  grantUserId: '',
  grantInstallationId: '',
}

/** One compiled statement for each way of naming a connector. */
const queries = { id: admissionQuery('id'), uid: admissionQuery('uid') }

function admissionQuery(column: 'id' | 'uid') {
  return compiledQuery((db, values: AdmissionQuery) =>
    db
      .selectFrom('revisions')
      .leftJoin('connectors as c', (join) =>
        join.on(`c.${column}`, '=', values.connector).on('c.removed_at', 'is', null),
      )
      .leftJoin('attachments as a', (join) =>
        join
          .onRef('a.connector_id', '=', 'c.id')
          .on('a.project_id', '=', values.projectId)
          .on('a.environment', '=', values.environment),
      )
      .leftJoin('subject_epochs as e', (join) =>
        join.onRef('e.attachment_id', '=', 'a.id').on('e.subject_key', '=', values.subjectKey),
      )
      .leftJoinLateral(
        (expression) =>
          expression
            .selectFrom('issued_tokens as t')
            .select(['t.id', 't.token', 't.facts', 't.expires_at', 't.installation_id', 't.issued_at'])
            .whereRef('t.attachment_id', '=', 'a.id')
            .where('t.request_key', '=', values.requestKey)
            .where('t.ended_at', 'is', null)
            .where('t.id', '<>', values.rejectedTokenId)
            .whereRef('t.attachment_version', '=', 'a.version')
            .whereRef('t.connector_version', '=', 'c.version')
            // A buffer of more than half its life would never let a short-lived token be served twice.
            .where(
              sql<boolean>`t.expires_at - least(${values.validityBufferMs}::bigint, (t.expires_at - t.issued_at) / 2) > ${values.now}::bigint`,
            )
            .orderBy('t.expires_at', 'desc')
            .limit(1)
            .as('s'),
        (join) => join.onTrue(),
      )
      .leftJoinLateral(
        (expression) =>
          expression
            .selectFrom('grants as o')
            .selectAll('o')
            .where('s.id', 'is', null)
            .whereRef('o.connector_id', '=', 'a.connector_id')
            .whereRef('o.owner', '=', 'a.owner')
            .where('o.kind', '=', values.grantKind as GrantKind)
            .where('o.issuer', '=', values.grantIssuer)
            .where('o.user_id', '=', values.grantUserId)
            .where('o.state', '<>', ended)
            .where(
              // Without a name the default one, or the only one: never the first of several.
              sql<boolean>`case when ${values.grantInstallationId}::text <> '' then o.installation_id = ${values.grantInstallationId}::text
                else o.is_default or not exists (
                  select from grants n where n.connector_id = o.connector_id and n.owner = o.owner and n.kind = o.kind
                    and n.issuer = o.issuer and n.user_id = o.user_id and n.state <> 'ended' and n.id <> o.id) end`,
            )
            .limit(1)
            .as('g'),
        (join) => join.onTrue(),
      )
      .select([
        'revisions.value as trust_revision',
        'c.id as connector_id',
        'c.uid',
        'c.name',
        'c.service',
        'c.type',
        'c.version as connector_version',
        'a.id as attachment_id',
        // Only a request that must be minted for needs the ceiling.
        sql<AttachmentRow | null>`case when s.id is null then to_jsonb(a) end`.as('attachment'),
        sql<GrantRow | null>`case when g.id is not null then to_jsonb(g) end`.as('grant'),
        sql<Readonly<Record<string, unknown>> | null>`case when g.id is not null then c.configuration end`.as(
          'configuration',
        ),
        'a.version as attachment_version',
        'a.revocations',
        'e.epoch',
        's.id as stored_id',
        's.token as stored_token',
        's.facts as stored_facts',
        's.expires_at as stored_expires_at',
        's.installation_id as stored_installation_id',
        's.issued_at as stored_issued_at',
      ])
      .where('revisions.name', '=', 'trust'),
  )
}

/**
 * Reads attachment, ceiling, connector, revocation epoch and a servable token in one statement.
 *
 * Nothing of it is ever cached: a revocation that has committed is seen by the next request of every replica.
 */
export async function readAdmission(db: Kysely<Schema>, input: AdmissionQuery): Promise<Admission> {
  const [row] = await queries[referenceColumn(input.connector)](db, input)
  if (row === undefined) throw new Error('The revision of the trust rules is missing')

  const { connector_id: id, attachment_id: attachmentId } = row
  if (id === null || attachmentId === null) return { trustRevision: row.trust_revision }
  return {
    trustRevision: row.trust_revision,
    link: {
      connector: {
        id,
        uid: row.uid ?? '',
        name: row.name ?? '',
        service: row.service ?? '',
        type: row.type ?? '',
        version: row.connector_version ?? 0,
      },
      attachmentId,
      guard: { attachmentId, version: row.attachment_version ?? 0, revocations: row.revocations ?? 0 },
      epoch: row.epoch ?? 0,
      found: foundIn(row),
    },
  }
}

function foundIn(row: {
  readonly attachment: AttachmentRow | null
  readonly grant: GrantRow | null
  readonly configuration: Readonly<Record<string, unknown>> | null
  readonly stored_id: string | null
  readonly stored_token: string | null
  readonly stored_facts: StoredTokenRow['facts'] | null
  readonly stored_expires_at: number | null
  readonly stored_installation_id: string | null
  readonly stored_issued_at: number | null
}): Link['found'] {
  if (row.attachment !== null) {
    const { attachment, grant, configuration } = row
    return grant === null || configuration === null
      ? { attachment }
      : { attachment, grant: { row: grant, configuration } }
  }
  if (row.stored_id === null || row.stored_token === null || row.stored_facts === null) {
    throw new Error('Neither a stored token nor an attachment was read')
  }
  return {
    stored: {
      id: row.stored_id,
      token: row.stored_token,
      facts: row.stored_facts,
      expires_at: row.stored_expires_at ?? 0,
      installation_id: row.stored_installation_id,
      issued_at: row.stored_issued_at ?? 0,
    },
  }
}
