import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Projects, trust, connectors, attachments, issued tokens, access tokens, keys and the audit trail. */
export const foundation: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('projects')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('allow_development_identities', 'boolean', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()

    await db.schema
      .createTable('trust_rules')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('project_id', 'text', (column) =>
        column.notNull().references('projects.id').onDelete('cascade'),
      )
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('issuer', 'text', (column) => column.notNull())
      .addColumn('audience', 'text', (column) => column.notNull())
      .addColumn('claims', 'jsonb', (column) => column.notNull())
      .addColumn('max_age_seconds', 'integer', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('trust_rules_by_project').on('trust_rules').column('project_id').execute()

    await db.schema
      .createTable('revisions')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('value', 'bigint', (column) => column.notNull())
      .execute()
    await sql`insert into revisions (name, value) values ('trust', 1)`.execute(db)

    await db.schema
      .createTable('connectors')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('uid', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('type', 'text', (column) => column.notNull())
      .addColumn('configuration', 'jsonb', (column) => column.notNull())
      .addColumn('secrets', 'text', (column) => column.notNull())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addColumn('removed_at', 'bigint')
      .execute()
    await sql`create unique index connectors_by_uid on connectors (uid) where removed_at is null`.execute(db)

    await db.schema
      .createTable('attachments')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('connector_id', 'text', (column) =>
        column.notNull().references('connectors.id').onDelete('cascade'),
      )
      .addColumn('project_id', 'text', (column) =>
        column.notNull().references('projects.id').onDelete('cascade'),
      )
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('subjects', 'jsonb')
      .addColumn('scopes', 'jsonb')
      .addColumn('resources', 'jsonb')
      .addColumn('authorization_details', 'jsonb')
      .addColumn('max_ttl_seconds', 'integer')
      .addColumn('full_access', 'boolean', (column) => column.notNull())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addUniqueConstraint('attachments_one_each', ['connector_id', 'project_id', 'environment'])
      .execute()
    await db.schema
      .createIndex('attachments_by_project')
      .on('attachments')
      .columns(['project_id', 'environment'])
      .execute()

    // No foreign key to the attachment: a token outlives it until the provider has ended it.
    await db.schema
      .createTable('issued_tokens')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('connector_id', 'text', (column) =>
        column.notNull().references('connectors.id').onDelete('cascade'),
      )
      .addColumn('connector_version', 'integer', (column) => column.notNull())
      .addColumn('attachment_id', 'text', (column) => column.notNull())
      .addColumn('attachment_version', 'integer', (column) => column.notNull())
      .addColumn('project_id', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('subject_type', 'text', (column) => column.notNull())
      .addColumn('subject_key', 'text', (column) => column.notNull())
      .addColumn('request_key', 'text', (column) => column.notNull())
      .addColumn('installation_id', 'text')
      .addColumn('token', 'text', (column) => column.notNull())
      .addColumn('facts', 'jsonb', (column) => column.notNull())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .addColumn('provider_expires_at', 'bigint')
      .addColumn('issued_at', 'bigint', (column) => column.notNull())
      .addColumn('ended_at', 'bigint')
      .addColumn('revoke_at', 'bigint')
      .addColumn('revoke_attempts', 'integer', (column) => column.notNull().defaultTo(0))
      .execute()
    await sql`create index issued_tokens_served on issued_tokens (attachment_id, request_key, expires_at desc) where ended_at is null`.execute(
      db,
    )
    await sql`create index issued_tokens_by_subject on issued_tokens (attachment_id, subject_key) where ended_at is null`.execute(
      db,
    )
    await sql`create index issued_tokens_by_connector on issued_tokens (connector_id)`.execute(db)
    await sql`create index issued_tokens_to_revoke on issued_tokens (revoke_at) where revoke_at is not null`.execute(
      db,
    )
    await sql`create index issued_tokens_to_purge on issued_tokens (expires_at) where revoke_at is null`.execute(
      db,
    )

    await db.schema
      .createTable('subject_epochs')
      .addColumn('attachment_id', 'text', (column) =>
        column.notNull().references('attachments.id').onDelete('cascade'),
      )
      .addColumn('subject_key', 'text', (column) => column.notNull())
      .addColumn('epoch', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('subject_epochs_pkey', ['attachment_id', 'subject_key'])
      .execute()

    await db.schema
      .createTable('access_tokens')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('secret_hash', 'text', (column) => column.notNull().unique())
      .addColumn('role', 'text')
      .addColumn('project_id', 'text', (column) => column.references('projects.id').onDelete('cascade'))
      .addColumn('environment', 'text')
      .addColumn('ephemeral', 'boolean', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint')
      .addCheckConstraint(
        'access_tokens_one_meaning',
        sql`(role is null) <> (project_id is null) and (project_id is null) = (environment is null)`,
      )
      .execute()

    await db.schema
      .createTable('signing_keys')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('purpose', 'text', (column) => column.notNull().unique())
      .addColumn('algorithm', 'text', (column) => column.notNull())
      .addColumn('public_jwk', 'jsonb', (column) => column.notNull())
      .addColumn('private_jwk', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()

    await db.schema
      .createTable('audit_events')
      .addColumn('position', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity())
      .addColumn('chain', 'text', (column) => column.notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('code', 'text')
      .addColumn('request_id', 'text')
      .addColumn('project_id', 'text')
      .addColumn('environment', 'text')
      .addColumn('connector_id', 'text')
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('previous_hash', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull())
      .addUniqueConstraint('audit_events_one_each', ['chain', 'seq'])
      .execute()

    for (const column of ['project_id', 'connector_id'] as const) {
      await db.schema
        .createIndex(`audit_events_by_${column}`)
        .on('audit_events')
        .columns([column, 'position'])
        .execute()
    }

    await db.schema
      .createTable('audit_checkpoints')
      .addColumn('id', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity())
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('jws', 'text', (column) => column.notNull())
      .execute()

    await db.schema
      .createTable('installation')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('value', 'text', (column) => column.notNull())
      .execute()
  },
}
