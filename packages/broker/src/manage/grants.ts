import { z } from 'zod'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { makeDefault, readGrant } from '../store/grants.ts'
import { listNamedGrants, type NamedGrant } from '../store/list-grants.ts'
import { revokeGrant } from '../store/revocation.ts'
import type { ConnectorRow, GrantRow, GrantState } from '../store/schema.ts'
import { connectorOf } from './connectors.ts'
import { parseInput, parsePage } from './input.ts'

const states: readonly GrantState[] = ['active', 'consent_needed', 'ended']

const changedGrant = z.strictObject({ default: z.literal(true) })

const noSuchGrant: Refusal = { reason: 'not_found', what: 'such grant of this connector' }

/** A grant as the wire shows it to operators: whose it is and how it stands, never what it holds. */
function describeGrant(row: NamedGrant): object {
  const namespace = /^namespace\/(.*)$/s.exec(row.owner)?.[1] ?? null
  return {
    id: row.id,
    connectorId: row.connector_id,
    kind: row.kind,
    project: { id: row.project_id, name: row.project_name },
    environment: row.environment,
    namespace,
    issuer: row.issuer || null,
    userId: row.user_id || null,
    installationId: row.installation_id || null,
    tenantId: row.identity.tenantId ?? null,
    externalSubject: row.identity.externalSubject ?? null,
    name: row.identity.name ?? null,
    state: row.state,
    isDefault: row.is_default,
    scopes: row.scopes,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    accessExpiresAt: row.access_expires_at,
    refreshable: row.refreshable,
    revokeOutcome: row.revoke_outcome,
  }
}

/** `GET /v1/connect/connectors/{connector}/grants` */
export async function listConnectorGrants(
  context: BrokerContext,
  reference: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<Outcome<object>> {
  const page = parsePage(query)
  if (!page.ok) return page
  const state = states.find((each) => each === query.state)
  if (query.state !== undefined && state === undefined)
    return refuse({ reason: 'request_invalid', message: `state: expected one of ${states.join(', ')}` })
  const connector = await connectorOf(context, reference)
  if (!connector.ok) return connector
  const { rows, cursor } = await listNamedGrants(
    context.db,
    { connectorId: connector.value.id, ...(state === undefined ? {} : { state }) },
    page.value,
  )
  return accept({ grants: rows.map(describeGrant), cursor })
}

/** `PATCH /v1/connect/connectors/{connector}/grants/{grant}`: the one that answers when no installation is named. */
export async function changeGrant(
  context: BrokerContext,
  reference: string,
  id: string,
  body: unknown,
): Promise<Outcome<object>> {
  const input = parseInput(changedGrant, body)
  if (!input.ok) return input
  const connector = await connectorOf(context, reference)
  if (!connector.ok) return connector
  const made = await makeDefault(context.db, connector.value.id, id)
  const row = made ? await readGrant(context.db, id) : undefined
  if (row === undefined) return refuse(noSuchGrant)
  return accept({ ...placeOf(row, connector.value), isDefault: row.is_default })
}

/**
 * `DELETE /v1/connect/connectors/{connector}/grants/{grant}`.
 *
 * Nothing serves it once this has committed; the background worker ends it at the provider.
 */
export async function removeGrant(
  context: BrokerContext,
  reference: string,
  id: string,
): Promise<Outcome<object>> {
  const connector = await connectorOf(context, reference)
  if (!connector.ok) return connector
  const connectorId = connector.value.id
  const row = await readGrant(context.db, id)
  if (row === undefined || row.connector_id !== connectorId) return refuse(noSuchGrant)
  const moments = { now: context.now(), claimMs: 0 }
  // Claimed by nobody: the background work ends both at the provider.
  const ended = await revokeGrant(context.db, row, moments)
  return ended.grants.length === 0
    ? refuse(noSuchGrant)
    : accept({ ...placeOf(row, connector.value), removed: true })
}

/** What the audit trail keeps of a change: ids, and no names of people. */
function placeOf(row: GrantRow, connector: ConnectorRow): object {
  return {
    id: row.id,
    connectorId: connector.id,
    uid: connector.uid,
    kind: row.kind,
    project: { id: row.project_id },
    environment: row.environment,
  }
}
