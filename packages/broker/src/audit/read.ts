import type { Kysely } from 'kysely'
import type { Schema } from '../store/schema.ts'

/** Which events to list. Several conditions must all hold. */
export interface AuditFilter {
  /** At least 1; the caller bounds it. */
  readonly limit: number
  /** Only what stands before this position: {@link decodeAuditCursor} of the page before. */
  readonly before?: number
  readonly projectId?: string
  readonly connectorId?: string
  readonly kind?: string
  /** Milliseconds since the epoch, inclusive. */
  readonly sinceMs?: number
  /** Milliseconds since the epoch, exclusive. */
  readonly untilMs?: number
}

/** One event as listed: the fields of its body, as recorded, next to its place. */
export interface ListedAuditEvent {
  readonly chain: string
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly [field: string]: unknown
}

/** One page, newest first; `cursor` is null on the last one. */
export interface AuditPage {
  readonly events: readonly ListedAuditEvent[]
  readonly cursor: string | null
}

/** The position of a cursor, `undefined` when it is not one of ours. */
export function decodeAuditCursor(cursor: string): number | undefined {
  return /^[0-9]{1,15}$/.test(cursor) ? Number(cursor) : undefined
}

/**
 * Lists events, newest first. Shows what is stored and verifies nothing. Reads backwards along the primary key,
 * so events committed while somebody pages through never shift the pages.
 */
export async function listAuditEvents(db: Kysely<Schema>, filter: AuditFilter): Promise<AuditPage> {
  let query = db.selectFrom('audit_events').select(['position', 'chain', 'seq', 'at', 'kind', 'body'])
  if (filter.before !== undefined) query = query.where('position', '<', filter.before)
  if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId)
  if (filter.connectorId !== undefined) query = query.where('connector_id', '=', filter.connectorId)
  if (filter.kind !== undefined) query = query.where('kind', '=', filter.kind)
  if (filter.sinceMs !== undefined) query = query.where('at', '>=', filter.sinceMs)
  if (filter.untilMs !== undefined) query = query.where('at', '<', filter.untilMs)
  const rows = await query
    .orderBy('position', 'desc')
    .limit(filter.limit + 1)
    .execute()
  const page = rows.slice(0, filter.limit)
  const last = page.at(-1)
  return {
    events: page.map(({ body, chain, seq, at, kind }) => ({
      ...fieldsOf(body),
      chain,
      seq: Number(seq),
      at: Number(at),
      kind,
    })),
    cursor: rows.length > page.length && last !== undefined ? String(last.position) : null,
  }
}

function fieldsOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed !== 'object' || parsed === null) return {}
    const { v: _, ...fields } = { v: undefined, ...parsed }
    return fields
  } catch {
    // A damaged row is listed by its columns: hiding it, or failing the page, would help whoever damaged it.
    return {}
  }
}
