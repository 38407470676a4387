import type { Kysely } from 'kysely'
import type { Schema } from '../store/schema.ts'
import type { KeyRing } from './key-ring.ts'
import { seal } from './seal.ts'
import {
  connectorSecretsContext,
  consentContext,
  grantContext,
  issuedTokenContext,
} from './sealed-columns.ts'

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

/** A sealed grant of that connector, for tests. */
export async function insertGrant(
  db: Kysely<Schema>,
  ring: KeyRing,
  row: { readonly id: string; readonly connector: string; readonly userId: string },
  credential: string,
): Promise<void> {
  const place = {
    ...{ id: row.id, connector_id: row.connector, owner: 'place/prj_1/production', project_id: 'prj_1' },
    ...{
      environment: 'production',
      kind: 'user' as const,
      issuer: '',
      user_id: row.userId,
      installation_id: '',
    },
    credential_version: 1,
  } as const
  await db
    .insertInto('grants')
    .values({
      ...place,
      ...{ is_default: true, state: 'active' as const, identity: '{}', scopes: '[]', refreshable: true },
      credential: seal(ring, grantContext(place), credential),
      ...{
        access_expires_at: at,
        obtained_at: at,
        last_used_at: null,
        lease_holder: null,
        lease_until: null,
      },
      ...{ created_at: at, updated_at: at, ended_at: null, revoke_at: null, revoke_outcome: null },
    })
    .execute()
}

/** A consent request with both its sealed columns, for tests. */
export async function insertConsentRequest(
  db: Kysely<Schema>,
  ring: KeyRing,
  row: { readonly id: string; readonly connector: string },
): Promise<void> {
  const place = {
    ...{
      id: row.id,
      kind: 'authorize' as const,
      connector_id: row.connector,
      owner: 'place/prj_1/production',
    },
    ...{ project_id: 'prj_1', environment: 'production', issuer: '', user_id: 'ann' },
  } as const
  await db
    .insertInto('consent_requests')
    .values({
      ...place,
      ...{
        attachment_id: 'att_1',
        ask: '{}',
        binding: 'complete' as const,
        verifier_hash: row.id,
        status: 'pending' as const,
      },
      pending: seal(ring, consentContext(place, 'pending'), 'pkce verifier'),
      credential: seal(ring, consentContext(place, 'credential'), 'refresh token'),
      ...{ created_at: at, expires_at: at },
    })
    .execute()
}
