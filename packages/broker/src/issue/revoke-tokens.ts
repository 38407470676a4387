import type { RevokeTokensResponse } from '@valetkey/protocol'
import { actorOf } from '../audit/actor.ts'
import { auditReference } from '../audit/reference.ts'
import { authenticate, requireRole } from '../authenticate/authenticate.ts'
import type { Caller } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { open } from '../secrets/seal.ts'
import { issuedTokenContext } from '../secrets/sealed-columns.ts'
import { noToken, readAdmission } from '../store/admission.ts'
import { findConnector, findConnectorEvenRemoved } from '../store/connectors.ts'
import { type EndedToken, finishRevocation } from '../store/issued-tokens.ts'
import { type Ended, revokeConnector, revokeSubject } from '../store/revocation.ts'
import { openSettings } from './connector-settings.ts'
import { endClaimedGrant } from './end-grant.ts'
import { type EndingOutcome, endAtProvider } from './provider-call.ts'
import { type ParsedRevokeRequest, parseRevokeRequest } from './token-request.ts'

/** How long this process keeps a token to itself while it ends it; afterwards the background worker takes over. */
export const revocationClaimMs = 60_000

/** The most calls to one provider at a time. */
const concurrency = 8

/**
 * `DELETE /v1/connect/connectors/{connector}/tokens`.
 *
 * A workload ends what its own attachment was issued for a subject and the user's grant, never anyone else's, never the
 * app's installation or the stored credential. An operator may end everything.
 */
export async function answerRevokeRequest(
  context: BrokerContext,
  incoming: {
    readonly requestId: string
    readonly credential: string | undefined
    readonly connector: string
    /** Its JSON, or the refusal that it is none: said only to somebody who is known. */
    readonly body: Outcome<unknown>
  },
): Promise<Outcome<RevokeTokensResponse>> {
  const caller = await authenticate(context, incoming.credential)
  if (!caller.ok) {
    context.audit.countAnonymous(caller.refusal.reason)
    return caller
  }
  const rate = caller.value.kind === 'workload' ? await context.limits.call(caller.value) : undefined
  if (rate?.ok === false) {
    context.audit.countAnonymous(rate.refusal.reason)
    return rate
  }
  const actor = actorOf(caller.value)
  const connector = auditReference('connector', incoming.connector)
  const about = { requestId: incoming.requestId, actor, action: 'tokens.end' } as const
  const refuseAudited = async (refusal: Refusal) => {
    await context.audit.append({
      ...about,
      kind: 'management_refused',
      code: answerFor(refusal).code,
      reason: refusal.reason,
      details: { connector },
    })
    return refuse(refusal)
  }

  const request = incoming.body.ok ? parseRevokeRequest(incoming.body.value) : incoming.body
  if (!request.ok) return refuseAudited(request.refusal)
  await context.audit.append({
    ...about,
    kind: 'management_intended',
    details: { connector, subject: request.value.subject?.type ?? 'all' },
  })
  const ended = await endHoldings(context, caller.value, incoming.connector, request.value)
  if (!ended.ok) return refuseAudited(ended.refusal)

  const answer = await endEachAtProvider(context, ended.value)
  await context.audit.append({
    ...about,
    kind: 'tokens_ended',
    ...(caller.value.kind === 'workload'
      ? { projectId: caller.value.projectId, environment: caller.value.environment }
      : {}),
    details: {
      connector,
      tokens: ended.value.tokens.map((token) => token.id),
      grants: ended.value.grants.map((grant) => grant.id),
      ...answer,
    },
  })
  return accept(answer)
}

async function endHoldings(
  context: BrokerContext,
  caller: Caller,
  connector: string,
  request: ParsedRevokeRequest,
): Promise<Outcome<Ended>> {
  const moments = { now: context.now(), claimMs: revocationClaimMs }
  const { subject, subjectKey, installationId } = request
  const user = subject?.type === 'user' ? { id: subject.id, issuer: subject.issuer ?? '' } : undefined
  if (caller.kind === 'operator') {
    const manager = requireRole(caller, 'manager')
    if (!manager.ok) return manager
    const row = await findConnector(context.db, connector)
    if (row === undefined) return refuse({ reason: 'not_found', what: 'such connector' })
    const which = {
      connectorId: row.id,
      subjectKey,
      // Subjects without grants of their own have none to end.
      withGrants: subject === undefined || subject.type === 'app' || user !== undefined,
      ...(subject?.type === 'app' ? { kind: 'installation' as const } : {}),
      ...(user === undefined ? {} : { kind: 'user' as const, issuer: user.issuer, userId: user.id }),
      ...(installationId === undefined ? {} : { installationId }),
    }
    return accept(await revokeConnector(context.db, which, moments))
  }
  const { link } = await readAdmission(context.db, {
    ...noToken,
    projectId: caller.projectId,
    environment: caller.environment,
    connector,
    now: moments.now,
  })
  if (link === undefined) return refuse({ reason: 'connector_not_linked' })
  if (subjectKey === undefined) return refuse({ reason: 'operator_needed' })
  const { attachmentId } = link
  const connectorId = link.connector.id
  const of = {
    connectorId,
    attachmentId,
    subjectKey,
    installationId,
    ...(user === undefined ? {} : { user }),
  }
  return accept(await revokeSubject(context.db, of, moments))
}

/** Ends what was revoked at its provider, a few at a time, and says what came of it. What failed is retried in the background. */
export async function endEachAtProvider(context: BrokerContext, ended: Ended): Promise<RevokeTokensResponse> {
  const counts = { providerRevoked: 0, providerSkipped: 0, providerFailed: 0 }
  const count = (outcome: EndingOutcome) => {
    if (outcome === 'revoked') counts.providerRevoked++
    else if (outcome === 'unsupported') counts.providerSkipped++
    else counts.providerFailed++
  }
  const finished: string[] = []
  const queue = [
    ...ended.tokens.map((token) => async () => {
      const outcome = await endOneAtProvider(context, token)
      if (outcome !== 'failed') finished.push(token.id)
      count(outcome)
    }),
    ...ended.grants.map((grant) => async () => {
      count(await endClaimedGrant(context, grant))
    }),
  ]
  const worker = async () => {
    for (let work = queue.pop(); work !== undefined; work = queue.pop()) await work()
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  await finishRevocation(context.db, finished)
  const found = ended.tokens.length + ended.grants.length
  return { tokensFound: found, deleted: found, ...counts }
}

/** Ends one token at its provider. `unsupported` where there is nothing to call, or nothing left to end. */
export async function endOneAtProvider(context: BrokerContext, token: EndedToken): Promise<EndingOutcome> {
  if (token.provider_expires_at === null || token.provider_expires_at <= context.now()) return 'unsupported'
  const connector = await findConnectorEvenRemoved(context.db, token.connector_id)
  const driver = connector === undefined ? undefined : context.findDriver(connector.service)
  if (connector === undefined || driver?.revokeToken === undefined) return 'unsupported'
  const secret = open(context.keyRing, issuedTokenContext(token), token.token)
  return endAtProvider(context, driver, openSettings(context.keyRing, connector), secret)
}
