import type { Kysely } from 'kysely'
import type { AttachmentRow, Schema } from './schema.ts'

/**
 * The attachment that registered a redirect URI, byte for byte, for a connector that was not removed. Nothing is
 * normalised: a URI that merely means the same is another one.
 */
export function findByRedirectUri(
  db: Kysely<Schema>,
  of: { readonly connectorId: string; readonly uri: string },
): Promise<AttachmentRow | undefined> {
  return db
    .selectFrom('redirect_uris')
    .innerJoin('attachments', 'attachments.id', 'redirect_uris.attachment_id')
    .selectAll('attachments')
    .where('redirect_uris.connector_id', '=', of.connectorId)
    .where('redirect_uris.uri', '=', of.uri)
    .whereRef('attachments.connector_id', '=', 'redirect_uris.connector_id')
    .executeTakeFirst()
}
