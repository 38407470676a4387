import type { Kysely } from 'kysely'
import { z } from 'zod'
import { newAccessToken } from '../authenticate/access-token.ts'
import { requireRole } from '../authenticate/authenticate.ts'
import type { Caller, Role } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import {
  insertAccessToken,
  listAccessTokens,
  type NamedAccessToken,
  removeAccessToken,
} from '../store/access-tokens.ts'
import type { AccessTokenRow, Schema } from '../store/schema.ts'
import { environmentSchema, parseInput } from './input.ts'
import { projectOf } from './projects.ts'

const expiresInSeconds = z.number().int().min(60).max(31_536_000).optional()

const newToken = z.union([
  z.strictObject({ role: z.enum(['owner', 'manager', 'auditor']), expiresInSeconds }),
  z.strictObject({ project: z.string().min(1).max(128), environment: environmentSchema, expiresInSeconds }),
])

function describeToken(row: AccessTokenRow & { readonly project_name?: string | null }): object {
  return {
    id: row.id,
    ...(row.role === null
      ? { project: { id: row.project_id, name: row.project_name ?? null }, environment: row.environment }
      : { role: row.role }),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

/** Stores a new access token; its secret exists nowhere but in the answer. */
export async function storeAccessToken(
  db: Kysely<Schema>,
  input: {
    readonly holder: { readonly role: Role } | { readonly projectId: string; readonly environment: string }
    readonly ephemeral: boolean
    readonly expiresAt: number | null
    readonly now: number
  },
): Promise<{ readonly row: AccessTokenRow; readonly secret: string }> {
  const { id, secret, secretHash } = newAccessToken()
  const row: AccessTokenRow = {
    id,
    secret_hash: secretHash,
    role: 'role' in input.holder ? input.holder.role : null,
    project_id: 'role' in input.holder ? null : input.holder.projectId,
    environment: 'role' in input.holder ? null : input.holder.environment,
    ephemeral: input.ephemeral,
    created_at: input.now,
    expires_at: input.expiresAt,
  }
  await insertAccessToken(db, row)
  return { row, secret }
}

export async function createAccessToken(
  context: BrokerContext,
  caller: Caller,
  body: unknown,
): Promise<Outcome<object>> {
  const input = parseInput(newToken, body)
  if (!input.ok) {
    return refuse({
      reason: 'request_invalid',
      message: 'Give either a role (owner, manager or auditor), or a project and an environment',
    })
  }
  const now = context.now()
  const expiresAt =
    input.value.expiresInSeconds === undefined ? null : now + input.value.expiresInSeconds * 1000
  if ('role' in input.value) {
    // A manager who could make an owner would be one.
    const owner = requireRole(caller, 'owner')
    if (!owner.ok) return owner
    const { row, secret } = await storeAccessToken(context.db, {
      holder: { role: input.value.role },
      ephemeral: false,
      expiresAt,
      now,
    })
    return accept({ ...describeToken(row), token: secret })
  }
  const project = await projectOf(context, input.value.project)
  if (!project.ok) return project
  const { row, secret } = await storeAccessToken(context.db, {
    holder: { projectId: project.value.id, environment: input.value.environment },
    ephemeral: false,
    expiresAt,
    now,
  })
  return accept({ ...describeToken({ ...row, project_name: project.value.name }), token: secret })
}

export async function listTokens(context: BrokerContext): Promise<Outcome<object>> {
  const rows: readonly NamedAccessToken[] = await listAccessTokens(context.db)
  return accept({ accessTokens: rows.map(describeToken), cursor: null })
}

export async function removeToken(context: BrokerContext, id: string): Promise<Outcome<object>> {
  const removed = await removeAccessToken(context.db, id)
  return removed ? accept({ id, removed: true }) : refuse({ reason: 'not_found', what: 'such access token' })
}

/** What a caller is to this broker. */
export function describeCaller(caller: Caller): object {
  if (caller.kind === 'operator') return { kind: 'operator', id: caller.accessTokenId, role: caller.role }
  return {
    kind: 'workload',
    project: { id: caller.projectId, name: caller.projectName },
    environment: caller.environment,
    ...(caller.proof.type === 'identity'
      ? { issuer: caller.proof.issuer, subject: caller.proof.subject, rule: caller.proof.ruleId }
      : { id: caller.proof.accessTokenId }),
  }
}
