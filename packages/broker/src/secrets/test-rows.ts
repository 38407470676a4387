import type { Kysely } from 'kysely'
import type { Schema } from '../store/schema.ts'
import type { KeyRing } from './key-ring.ts'
import { seal } from './seal.ts'
import { connectorSecretsContext, issuedTokenContext } from './sealed-columns.ts'

const at = 1_763_000_000_000

/** A connector with sealed secrets, for tests. */
export async function insertConnector(
  db: Kysely<Schema>,
  ring: KeyRing,
  id: string,
  secret: string,
): Promise<void> {
  await db
    .insertInto('connectors')
    .values({
      ...{
        id,
        uid: `oauth/${id}`,
        name: id,
        service: 'oauth',
        type: 'oauth',
        configuration: '{}',
        version: 1,
      },
      secrets: seal(ring, connectorSecretsContext({ id, version: 1 }), secret),
      ...{ created_at: at, updated_at: at, removed_at: null },
    })
    .execute()
}

/** A sealed token of that connector, for tests. */
export async function insertToken(
  db: Kysely<Schema>,
  ring: KeyRing,
  row: { readonly id: string; readonly connector: string; readonly installation: string | null },
  token: string,
): Promise<void> {
  const owner = {
    ...{ id: row.id, connector_id: row.connector, project_id: 'prj_1', environment: 'production' },
    ...{ subject_key: 's', request_key: 'r', installation_id: row.installation },
  }
  await db
    .insertInto('issued_tokens')
    .values({
      ...owner,
      ...{ connector_version: 1, attachment_id: 'att_1', attachment_version: 1 },
      ...{ subject_type: 'app', facts: '{}' },
      token: seal(ring, issuedTokenContext(owner), token),
      ...{
        expires_at: at,
        provider_expires_at: at,
        issued_at: at,
        ended_at: null,
        revoke_at: null,
        revoke_attempts: 0,
      },
    })
    .execute()
}
