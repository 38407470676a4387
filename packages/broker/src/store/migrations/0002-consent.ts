import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Grants, consent requests, their webhooks, and what attachments say about them. */
export const consent: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .alterTable('attachments')
      .addColumn('user_namespace', 'text')
      .addColumn('bind_on_consent', 'boolean', (column) => column.notNull().defaultTo(false))
      .addColumn('revocations', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('installs', 'boolean', (column) => column.notNull().defaultTo(false))
      .addColumn('owner', 'text', (column) =>
        column
          .generatedAlwaysAs(
            sql`case when user_namespace is null then 'place/' || project_id || '/' || environment else 'namespace/' || user_namespace end`,
          )
          .stored(),
      )
      .execute()
    await db.schema
      .createIndex('attachments_by_owner')
      .on('attachments')
      .columns(['connector_id', 'owner'])
      .execute()

    await db.schema
      .createTable('redirect_uris')
      .addColumn('connector_id', 'text', (column) => column.notNull())
      .addColumn('uri', 'text', (column) => column.notNull())
      .addColumn('attachment_id', 'text', (column) =>
        column.notNull().references('attachments.id').onDelete('cascade'),
      )
      .addPrimaryKeyConstraint('redirect_uris_pkey', ['connector_id', 'uri'])
      .execute()
    await db.schema
      .createIndex('redirect_uris_by_attachment')
      .on('redirect_uris')
      .column('attachment_id')
      .execute()

    // A removed connector's row stays until nothing of it is left to end at its provider.
    await db.schema
      .createTable('grants')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('connector_id', 'text', (column) =>
        column.notNull().references('connectors.id').onDelete('cascade'),
      )
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('project_id', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('issuer', 'text', (column) => column.notNull())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('installation_id', 'text', (column) => column.notNull())
      .addColumn('is_default', 'boolean', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('identity', 'jsonb', (column) => column.notNull())
      .addColumn('scopes', 'jsonb', (column) => column.notNull())
      .addColumn('credential', 'text', (column) => column.notNull())
      .addColumn('credential_version', 'integer', (column) => column.notNull())
      .addColumn('refreshable', 'boolean', (column) => column.notNull())
      .addColumn('access_expires_at', 'bigint')
      .addColumn('obtained_at', 'bigint', (column) => column.notNull())
      .addColumn('last_used_at', 'bigint')
      .addColumn('refresh_attempts', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('refresh_retry_at', 'bigint')
      .addColumn('lease_holder', 'text')
      .addColumn('lease_until', 'bigint')
      .addColumn('lease_version', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addColumn('ended_at', 'bigint')
      .addColumn('revoke_at', 'bigint')
      .addColumn('revoke_attempts', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('revoke_outcome', 'text')
      .execute()
    await sql`create unique index grants_one_each on grants
      (connector_id, owner, kind, issuer, user_id, installation_id) where state <> 'ended'`.execute(db)
    await sql`create index grants_to_refresh on grants (access_expires_at)
      where state = 'active' and refreshable`.execute(db)
    await sql`create index grants_to_revoke on grants (revoke_at) where revoke_at is not null`.execute(db)
    await sql`create index grants_ended on grants (ended_at) where state = 'ended' and revoke_at is null`.execute(
      db,
    )

    await db.schema
      .createTable('consent_requests')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('connector_id', 'text', (column) =>
        column.notNull().references('connectors.id').onDelete('cascade'),
      )
      .addColumn('attachment_id', 'text', (column) => column.notNull())
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('project_id', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('issuer', 'text', (column) => column.notNull())
      .addColumn('user_id', 'text', (column) => column.notNull())
      .addColumn('ask', 'jsonb', (column) => column.notNull())
      .addColumn('binding', 'text', (column) => column.notNull())
      .addColumn('verifier_hash', 'text', (column) => column.notNull())
      .addColumn('return_url', 'text')
      .addColumn('webhook_url', 'text')
      .addColumn('device_code_hash', 'text')
      .addColumn('gateway', 'jsonb')
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('error_code', 'text')
      .addColumn('error_message', 'text')
      .addColumn('entered_by', 'text')
      .addColumn('browser_hash', 'text')
      .addColumn('state_hash', 'text')
      .addColumn('pending', 'text')
      .addColumn('credential', 'text')
      .addColumn('code_hash', 'text')
      .addColumn('code_expires_at', 'bigint')
      .addColumn('tries', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('grant_id', 'text')
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .execute()
    await sql`create unique index consent_requests_by_state on consent_requests (state_hash)
      where state_hash is not null`.execute(db)
    await sql`create unique index consent_requests_by_device_code on consent_requests (device_code_hash)
      where device_code_hash is not null`.execute(db)
    await db.schema
      .createIndex('consent_requests_by_expiry')
      .on('consent_requests')
      .column('expires_at')
      .execute()

    await db.schema
      .createTable('webhook_deliveries')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('request_id', 'text', (column) =>
        column.notNull().references('consent_requests.id').onDelete('cascade'),
      )
      .addColumn('url', 'text', (column) => column.notNull())
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull().defaultTo(0))
      .addColumn('next_at', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('webhook_deliveries_due').on('webhook_deliveries').column('next_at').execute()
  },
}
