import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { findAccessToken } from '../store/access-tokens.ts'
import { hashAccessToken, looksLikeAccessToken } from './access-token.ts'
import type { Caller, Operator, Role, Workload } from './caller.ts'

/** Takes the credential out of an `Authorization: Bearer …` header (RFC 6750 §2.1); the only place one is read from. */
export function bearerCredential(header: string | undefined): string | undefined {
  const match = header?.match(/^Bearer ([\x21-\x7e]+)$/i)
  return match?.[1]
}

/** Proves who sent a request, by an access token of this broker or the identity of a workload, and today's rules. */
export async function authenticate(
  context: BrokerContext,
  credential: string | undefined,
): Promise<Outcome<Caller>> {
  if (credential !== undefined && !looksLikeAccessToken(credential)) await context.trust.refresh()
  return authenticateByCopy(context, credential)
}

/**
 * As {@link authenticate}, by this process's copy of the trust rules: for the token request, which learns in the round
 * trip it makes anyway whether the copy still holds, and starts over if not.
 */
export async function authenticateByCopy(
  context: BrokerContext,
  credential: string | undefined,
): Promise<Outcome<Caller>> {
  if (credential === undefined) return refuse({ reason: 'credential_missing' })
  return looksLikeAccessToken(credential)
    ? byAccessToken(context, credential)
    : byIdentity(context, credential)
}

async function byAccessToken(context: BrokerContext, credential: string): Promise<Outcome<Caller>> {
  const row = await findAccessToken(context.db, hashAccessToken(credential), context.now())
  if (row === undefined) return refuse({ reason: 'access_token_unknown' })
  if (row.role !== null) return accept({ kind: 'operator', role: row.role, accessTokenId: row.id })
  if (row.project_id === null || row.environment === null) return refuse({ reason: 'access_token_unknown' })
  return accept({
    kind: 'workload',
    projectId: row.project_id,
    projectName: row.project_name ?? '',
    environment: row.environment,
    proof: { type: 'access-token', accessTokenId: row.id },
  })
}

async function byIdentity(context: BrokerContext, credential: string): Promise<Outcome<Workload>> {
  const identity = await context.verifyIdentity(credential)
  if (!identity.ok) return identity
  const { projectId, projectName, environment, issuer, subject, ruleId } = identity.value
  return accept({
    kind: 'workload',
    projectId,
    projectName,
    environment,
    proof: { type: 'identity', issuer, subject, ruleId },
  })
}

const rank: Readonly<Record<Role, number>> = { auditor: 1, manager: 2, owner: 3 }

/** An operator whose role includes `needed`. */
export function requireRole(caller: Caller, needed: Role): Outcome<Operator> {
  if (caller.kind !== 'operator') return refuse({ reason: 'operator_needed' })
  return rank[caller.role] >= rank[needed] ? accept(caller) : refuse({ reason: 'role_insufficient', needed })
}
