import type { BrokerContext } from '../context.ts'
import { answerRevokeRequest } from '../issue/revoke-tokens.ts'
import { accept, answerFor } from '../refusal.ts'
import { readGrant } from '../store/grants.ts'
import { authenticateClient, type GatewayClient } from './client.ts'
import { limitClient } from './known-client.ts'
import { fail, failRepeated, type OAuthOutcome } from './oauth-error.ts'
import type { Parameters } from './parameters.ts'
import { verifyAccessToken } from './tokens.ts'
import { isGrantOf } from './userinfo.ts'

/**
 * `POST /oauth/revoke` (RFC 7009): ends the grant behind an access token, for the client that got it. A token that is
 * none, or of which nothing is left, is no error (§2.2).
 */
export async function answerRevoke(
  context: BrokerContext,
  incoming: {
    readonly requestId: string
    readonly authorization: string | undefined
    readonly parameters: Parameters
  },
): Promise<OAuthOutcome<undefined>> {
  const repeated = incoming.parameters.firstRepeated()
  if (repeated !== undefined) return failRepeated(repeated)
  const client = await authenticateClient(context, incoming)
  if (!client.ok) return client
  const limited = await limitClient(context, { requestId: incoming.requestId, client: client.value })
  if (limited !== undefined) return limited
  const token = incoming.parameters.get('token')
  if (token === undefined) return fail('invalid_request', 'token is missing')

  const access = await verifyAccessToken(context, token)
  const grant = access.ok ? await readGrant(context.db, access.value.grantId) : undefined
  if (!access.ok || grant === undefined || !isGrantOf(context, grant, access.value)) return done
  const { workload, link } = client.value
  const own =
    grant.connector_id === link.connector.id &&
    access.value.projectId === workload.projectId &&
    access.value.environment === workload.environment
  // RFC 7009 §2.1: refused, and the client told so.
  if (!own) return fail('invalid_grant', 'The token was issued to another client')
  // A token of a grant that is over must not end the one that a later sign-in made for the same person.
  if (grant.state === 'ended') return done
  return endAccess(context, {
    requestId: incoming.requestId,
    client: client.value,
    subject: access.value.subject,
  })
}

const done: OAuthOutcome<undefined> = { ok: true, value: undefined }

/** Ends a person's grant and tokens under the client's attachment, as `DELETE …/tokens` does. */
async function endAccess(
  context: BrokerContext,
  of: { readonly requestId: string; readonly client: GatewayClient; readonly subject: string },
): Promise<OAuthOutcome<undefined>> {
  const { credential, link } = of.client
  const ended = await answerRevokeRequest(context, {
    requestId: of.requestId,
    credential,
    connector: link.connector.id,
    body: accept({ subject: { type: 'user', id: of.subject, issuer: context.publicUrl } }),
  })
  if (ended.ok) return done
  const { message } = answerFor(ended.refusal)
  return {
    ok: false,
    error: { code: 'temporarily_unavailable', description: message, status: 503, retryAfterSeconds: 1 },
  }
}
