import type { TokenResponse } from '@valetkey/protocol'
import { actorOf } from '../audit/actor.ts'
import type { AuditEvent } from '../audit/event.ts'
import { auditReference } from '../audit/reference.ts'
import { authenticateByCopy } from '../authenticate/authenticate.ts'
import type { Workload } from '../authenticate/caller.ts'
import { effectiveRequest } from '../authorize/effective-request.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { type Link, readAdmission } from '../store/admission.ts'
import { endToken } from '../store/issued-tokens.ts'
import { ceilingOf, mintTokenOnce } from './mint-token.ts'
import { openStored, respond, type ServableToken } from './stored-token.ts'
import { type ParsedTokenRequest, parseTokenRequest } from './token-request.ts'

/** A token request as it came over the wire. */
export interface IncomingTokenRequest {
  readonly requestId: string
  readonly credential: string | undefined
  readonly connector: string
  /** Its JSON, or the refusal that it is none: said only to somebody who is known. */
  readonly body: Outcome<unknown>
}

/** `POST /v1/connect/token/{connector}`: authenticate → authorize → issue → audit. */
export async function answerTokenRequest(
  context: BrokerContext,
  incoming: IncomingTokenRequest,
): Promise<Outcome<TokenResponse>> {
  const admitted = await admit(context, incoming)
  if (!admitted.ok) return refuseAnonymous(context, admitted.refusal)

  const { caller, parsed, link } = admitted.value
  const event = eventAbout(incoming, caller, parsed, link)
  const refuseAudited = async (refusal: Refusal) => {
    await context.audit.append({
      ...event,
      kind: refusal.reason === 'provider_fault' ? 'token_failed' : 'token_refused',
      code: answerFor(refusal).code,
      reason: refusal.reason,
      details: { ...event.details, ...('part' in refusal ? { part: refusal.part } : {}) },
    })
    context.metrics.tokenRequest(answerFor(refusal).code, 'none')
    return refuse(refusal)
  }

  if (!parsed.ok) return refuseAudited(parsed.refusal)
  if (link === undefined) return refuseAudited({ reason: 'connector_not_linked' })
  const request = parsed.value

  if (request.rejectedTokenId !== undefined) {
    await endToken(context.db, {
      id: request.rejectedTokenId,
      attachmentId: link.attachmentId,
      requestKey: request.key,
      now: context.now(),
    })
  }
  let token: ServableToken
  if ('stored' in link.found) {
    token = openStored(context, caller, link.connector.id, request, link.found.stored)
  } else {
    const { attachment } = link.found
    const driver = context.findDriver(link.connector.service)
    if (driver === undefined) {
      return refuseAudited({
        reason: 'unavailable',
        message: `This broker has no driver for ${link.connector.service}`,
      })
    }
    const effective = effectiveRequest(request, ceilingOf(attachment), driver, caller.environment)
    if (!effective.ok) return refuseAudited(effective.refusal)
    if (driver.behaviour.callsProvider) await context.audit.append({ ...event, kind: 'token_intended' })
    const minted = await mintTokenOnce(context, {
      caller,
      link,
      attachment,
      request,
      effective: effective.value,
      driver,
    })
    if (!minted.ok) return refuseAudited(minted.refusal)
    token = minted.value
  }

  // Nothing leaves before this event is committed.
  const served = 'stored' in link.found ? 'stored' : 'minted'
  await context.audit.append(issuedEvent(event, token, served))
  context.metrics.tokenRequest('issued', served)
  return accept(respond(link.connector, token))
}

/** Refusals that other trust rules would not have made. */
const refusedByRules: ReadonlySet<Refusal['reason']> = new Set([
  'issuer_untrusted',
  'audience_mismatch',
  'token_lives_too_long',
  'claims_unmatched',
  'identity_ambiguous',
] as const)

interface Admitted {
  readonly caller: Workload
  readonly parsed: Outcome<ParsedTokenRequest>
  readonly link: Link | undefined
}

/**
 * Proves the caller and reads all that the request needs in one round trip. The trust rules that proved it are a
 * copy: when the round trip shows another revision, the proof is made again with fresh rules.
 */
async function admit(context: BrokerContext, incoming: IncomingTokenRequest): Promise<Outcome<Admitted>> {
  const parsed = incoming.body.ok ? parseTokenRequest(incoming.body.value) : incoming.body
  for (let attempt = 0; attempt < 4; attempt++) {
    const revision = context.trust.revision()
    const caller = await authenticateByCopy(context, incoming.credential)
    if (!caller.ok) {
      if (!refusedByRules.has(caller.refusal.reason)) return caller
      // Rules that have changed since refuse nobody, and nothing later in this request would show it.
      await context.trust.refresh()
      if (context.trust.revision() === revision) return caller
      continue
    }
    if (caller.value.kind !== 'workload') return refuse({ reason: 'workload_needed' })
    const admission = await readAdmission(context.db, {
      projectId: caller.value.projectId,
      environment: caller.value.environment,
      connector: incoming.connector,
      requestKey: parsed.ok ? parsed.value.key : '',
      subjectKey: parsed.ok ? parsed.value.subjectKey : '',
      rejectedTokenId: (parsed.ok ? parsed.value.rejectedTokenId : undefined) ?? '',
      validityBufferMs: parsed.ok ? parsed.value.validityBufferMs : 0,
      now: context.now(),
    })
    if (admission.trustRevision === revision || caller.value.proof.type === 'access-token') {
      return accept({ caller: caller.value, parsed, link: admission.link })
    }
    await context.trust.refresh()
  }
  return refuse({
    reason: 'unavailable',
    message: 'Trust rules are changing faster than this request could be decided',
  })
}

function refuseAnonymous(context: BrokerContext, refusal: Refusal): Outcome<never> {
  context.audit.countAnonymous(refusal.reason)
  context.metrics.tokenRequest(answerFor(refusal).code, 'none')
  return refuse(refusal)
}

function eventAbout(
  incoming: IncomingTokenRequest,
  caller: Workload,
  parsed: Outcome<ParsedTokenRequest>,
  link: Link | undefined,
): Omit<AuditEvent, 'kind'> {
  const request = parsed.ok ? parsed.value : undefined
  return {
    requestId: incoming.requestId,
    actor: actorOf(caller),
    projectId: caller.projectId,
    environment: caller.environment,
    ...(link === undefined
      ? { details: { connector: auditReference('connector', incoming.connector) } }
      : {
          connectorId: link.connector.id,
          connectorUid: link.connector.uid,
          details: {
            ...(request === undefined ? {} : { subject: describeSubject(request) }),
            ...(request?.scopes === undefined ? {} : { scopes: request.scopes }),
            ...(request?.resources === undefined ? {} : { resources: request.resources }),
            ...(request?.authorizationDetails === undefined
              ? {}
              : { authorizationDetails: request.authorizationDetails }),
            ...(request?.toolCallId === undefined ? {} : { toolCallId: request.toolCallId }),
          },
        }),
  }
}

/** A subject without what may be secret: an upstream token, or claims of the caller's own making. */
function describeSubject({ subject }: ParsedTokenRequest): Readonly<Record<string, string>> {
  switch (subject.type) {
    case 'app':
    case 'token':
      return { type: subject.type }
    case 'user':
      return {
        type: 'user',
        id: subject.id,
        ...(subject.issuer === undefined ? {} : { issuer: subject.issuer }),
      }
    case 'jwt-bearer':
      return { type: 'jwt-bearer', sub: subject.sub }
  }
}

function issuedEvent(
  event: Omit<AuditEvent, 'kind'>,
  token: ServableToken,
  served: 'stored' | 'minted',
): AuditEvent {
  const { granted, enforcedBy, standing } = token.facts
  return {
    ...event,
    kind: 'token_issued',
    tokenId: token.id,
    tokenDigest: token.facts.digest,
    details: {
      ...event.details,
      served,
      granted,
      enforcedBy,
      expiresAt: token.expiresAt,
      ...(standing === undefined ? {} : { standing }),
    },
  }
}
