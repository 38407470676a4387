import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Schema } from './schema.ts'

/**
 * Ends every live token of some attachments: none is served again, and those that the provider would still
 * honour are queued to be ended there. Runs in the transaction of the change that ends them, under a lock on
 * the attachments, so that no token can be recorded in between.
 */
export async function endTokensOf(
  db: Kysely<Schema>,
  attachmentIds: readonly string[],
  now: number,
): Promise<number> {
  if (attachmentIds.length === 0) return 0
  const ended = await db
    .updateTable('issued_tokens')
    .set({ ended_at: now, revoke_at: revokeUnlessOver(now) })
    .where('attachment_id', 'in', [...attachmentIds])
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return Number(ended.numUpdatedRows)
}

/** `revoke_at` for a token that is ended now: nothing to do for a standing credential, nor for one that is over. */
export function revokeUnlessOver(now: number): RawBuilder<number | null> {
  return sql<number | null>`case when provider_expires_at > ${now}::bigint then ${now}::bigint end`
}
