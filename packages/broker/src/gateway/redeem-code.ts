import { actorOf } from '../audit/actor.ts'
import { completeSignIn } from '../consent/complete.ts'
import type { BrokerContext } from '../context.ts'
import { sha256 } from '../digest.ts'
import { answerFor, type Refusal } from '../refusal.ts'
import { readConsentRequest } from '../store/consent-requests.ts'
import { readGrant } from '../store/grants.ts'
import type { ConsentRequestRow, GatewayAsk, GrantRow } from '../store/schema.ts'
import { authenticateClient, type GatewayClient } from './client.ts'
import { parseSignInCode } from './code.ts'
import { aboutClient, limitClient, recordRefused } from './known-client.ts'
import { fail, failRepeated, type OAuthOutcome } from './oauth-error.ts'
import type { Parameters } from './parameters.ts'
import { verifiesChallenge } from './pkce.ts'
import { claimsFor, givenScopes } from './scopes.ts'
import { gatewayTokenSeconds, signAccessToken, signIdToken } from './tokens.ts'

/** A code whose client, redirect URI and verifier are the right ones. */
interface BoundCode {
  readonly row: ConsentRequestRow
  readonly gateway: GatewayAsk
  readonly secret: string
}

/**
 * `POST /oauth/token` with an authorization code (RFC 6749 §4.1.3): the client that asked, at the redirect URI it asked
 * with, with the verifier behind its challenge, turns the code into an active grant and the tokens that say who it is.
 */
export async function redeemCode(
  context: BrokerContext,
  incoming: {
    readonly requestId: string
    readonly authorization: string | undefined
    readonly parameters: Parameters
  },
): Promise<OAuthOutcome<object>> {
  const { requestId, parameters } = incoming
  const repeated = parameters.firstRepeated()
  if (repeated !== undefined) return failRepeated(repeated)
  const authenticated = await authenticateClient(context, incoming)
  if (!authenticated.ok) return authenticated
  const client = authenticated.value
  const limited = await limitClient(context, { requestId, client })
  if (limited !== undefined) return limited

  const bound = await boundTo(context, client, parameters)
  if (!bound.ok) {
    const record = await context.limits.refusedCall(client.workload)
    if (record === 'event') await recordRefused(context, { requestId, client }, bound.error.code)
    else context.audit.countAnonymous('request_invalid')
    return bound
  }
  const { row, gateway, secret } = bound.value
  const by = { actor: actorOf(client.workload), requestId }
  const attempt = { requestId: row.id, secret, attachmentId: client.link.attachmentId, by }
  const completed = await completeSignIn(context, attempt)
  if (!completed.ok) return refuseCode(completed.refusal)
  const { grant_id: grantId } = completed.value
  const grant = grantId === null ? undefined : await readGrant(context.db, grantId)
  // A revocation that came in between has the last word.
  if (grant?.state !== 'active') return fail('invalid_grant', notRedeemable)
  return answerWithTokens(context, { requestId, client, gateway, grant })
}

/** One text for whatever is wrong with a code: which part it was, is nobody's business but the trail's. */
const notRedeemable = 'The code is not one that this client can redeem here, any more or at all'

/** The request of a code, if all that the code is bound to is there. Nothing is consumed by an attempt that is not. */
async function boundTo(
  context: BrokerContext,
  client: GatewayClient,
  parameters: Parameters,
): Promise<OAuthOutcome<BoundCode>> {
  const [text, redirectUri, verifier] = ['code', 'redirect_uri', 'code_verifier'].map(parameters.get)
  if (text === undefined) return fail('invalid_request', 'code is missing')
  if (redirectUri === undefined) return fail('invalid_request', 'redirect_uri is missing')
  if (verifier === undefined) return fail('invalid_request', 'code_verifier is missing: PKCE is required')
  const code = parseSignInCode(text)
  const row = code && (await readConsentRequest(context.db, code.requestId))
  if (code === undefined || row === undefined || row.kind !== 'sign_in' || row.gateway === null)
    return fail('invalid_grant', notRedeemable)
  const bound =
    row.attachment_id === client.link.attachmentId &&
    row.connector_id === client.link.connector.id &&
    row.gateway.redirectUri === redirectUri &&
    verifiesChallenge(verifier, row.gateway.codeChallenge)
  if (!bound) return fail('invalid_grant', notRedeemable)
  return { ok: true, value: { row, gateway: row.gateway, secret: code.secret } }
}

/**
 * Why a code does not redeem is recorded by {@link completeSignIn}, which also ends what a code led to that comes a second
 * time (RFC 6749 §4.1.2): the request of a code that gets there is the client's own, and so is the verifier.
 */
function refuseCode(refusal: Refusal): OAuthOutcome<never> {
  const { code, message, retryAfterSeconds = 1 } = answerFor(refusal)
  if (code !== 'unavailable' && code !== 'rate_limited') return fail('invalid_grant', notRedeemable)
  const status = code === 'unavailable' ? 503 : 429
  return {
    ok: false,
    error: { code: 'temporarily_unavailable', description: message, status, retryAfterSeconds },
  }
}

/** The members of OpenID Connect Core §3.1.3.3. There is no refresh token: a sign-in is a moment, not a session. */
async function answerWithTokens(
  context: BrokerContext,
  of: {
    readonly requestId: string
    readonly client: GatewayClient
    readonly gateway: GatewayAsk
    readonly grant: GrantRow
  },
): Promise<OAuthOutcome<object>> {
  const { requestId, client, gateway, grant } = of
  const { clientId, workload } = client
  const { nonce } = gateway
  const scopes = givenScopes(grant.identity, gateway.scopes)
  const subject = grant.user_id
  const accessToken = await signAccessToken(context, {
    subject,
    clientId,
    grantId: grant.id,
    projectId: workload.projectId,
    environment: workload.environment,
    scopes,
  })
  const claims = claimsFor(grant.identity, scopes)
  const idToken = await signIdToken(context, { subject, clientId, nonce, claims })
  // Nothing leaves before this event is committed.
  await context.audit.append({
    ...aboutClient(client),
    kind: 'token_issued',
    requestId,
    tokenDigest: `sha256:${sha256(accessToken)}`,
    details: { subject: { type: 'user', id: subject, issuer: context.publicUrl }, scopes, grant: grant.id },
  })
  return {
    ok: true,
    value: {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: gatewayTokenSeconds,
      scope: scopes.join(' '),
      id_token: idToken,
    },
  }
}
