import { type Kysely, sql } from 'kysely'
import { compiledQuery } from './compiled-query.ts'
import { referenceColumn } from './connectors.ts'
import type { AttachmentRow, IssuedTokenRow, Schema } from './schema.ts'

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
  /** How often tokens of this subject were ended; see {@link recordToken}. */
  readonly epoch: number
  /** The newest token that answers the same request and still has enough life; or what is needed to mint one. */
  readonly found: { readonly stored: StoredTokenRow } | { readonly attachment: AttachmentRow }
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
  readonly now: number
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
      epoch: row.epoch ?? 0,
      found: foundIn(row),
    },
  }
}

function foundIn(row: {
  readonly attachment: AttachmentRow | null
  readonly stored_id: string | null
  readonly stored_token: string | null
  readonly stored_facts: StoredTokenRow['facts'] | null
  readonly stored_expires_at: number | null
  readonly stored_installation_id: string | null
  readonly stored_issued_at: number | null
}): Link['found'] {
  if (row.attachment !== null) return { attachment: row.attachment }
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
