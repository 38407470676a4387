import type { BrokerContext } from '../context.ts'
import { noToken, readAdmission } from '../store/admission.ts'
import { readGrant } from '../store/grants.ts'
import type { GrantRow } from '../store/schema.ts'
import { claimsFor } from './scopes.ts'
import { type GatewayAccess, verifyAccessToken } from './tokens.ts'

/** What `/oauth/userinfo` answers with. */
export type UserinfoAnswer =
  | { readonly outcome: 'claims'; readonly claims: Readonly<Record<string, unknown>> }
  /** The token is none of the gateway's, or its grant is over. */
  | { readonly outcome: 'refused' }
  | { readonly outcome: 'limited'; readonly retryAfterSeconds: number }

/**
 * `/oauth/userinfo` (OpenID Connect Core §5.3): the claims of the grant behind an access token. A token outlives its
 * grant by nothing.
 */
export async function answerUserinfo(context: BrokerContext, token: string): Promise<UserinfoAnswer> {
  const access = await verifyAccessToken(context, token)
  if (!access.ok) {
    context.audit.countAnonymous(access.refusal.reason)
    return { outcome: 'refused' }
  }
  const { subject, grantId, scopes } = access.value
  const rate = await context.limits.call({ grantId })
  if (!rate.ok) {
    context.audit.countAnonymous(rate.refusal.reason)
    return { outcome: 'limited', retryAfterSeconds: rate.refusal.retryAfterSeconds }
  }
  const grant = await liveGrant(context, access.value)
  if (grant === undefined) return { outcome: 'refused' }
  return { outcome: 'claims', claims: { sub: subject, ...claimsFor(grant.identity, scopes) } }
}

/** The grant of an access token, while it is active and the connector is attached to where the token was issued. */
async function liveGrant(context: BrokerContext, access: GatewayAccess): Promise<GrantRow | undefined> {
  const grant = await readGrant(context.db, access.grantId)
  if (grant === undefined || !isGrantOf(context, grant, access) || grant.state !== 'active') return undefined
  const { link } = await readAdmission(context.db, {
    ...noToken,
    projectId: access.projectId,
    environment: access.environment,
    connector: grant.connector_id,
    now: context.now(),
  })
  const attached = link !== undefined && 'attachment' in link.found && link.found.attachment
  return attached && attached.owner === grant.owner ? grant : undefined
}

/** Whether a grant is the one of the person whom an access token names. */
export function isGrantOf(
  context: BrokerContext,
  grant: GrantRow,
  access: Pick<GatewayAccess, 'subject'>,
): boolean {
  return grant.kind === 'user' && grant.issuer === context.publicUrl && grant.user_id === access.subject
}
