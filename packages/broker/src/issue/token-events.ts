import type { MintRequest } from '@valetkey/connectors'
import { actorOf } from '../audit/actor.ts'
import type { AuditEvent } from '../audit/event.ts'
import { auditReference } from '../audit/reference.ts'
import type { Caller } from '../authenticate/caller.ts'
import { answerFor, type Outcome, type Refusal } from '../refusal.ts'
import type { Link } from '../store/admission.ts'
import type { ServableToken } from './stored-token.ts'
import type { ParsedTokenRequest } from './token-request.ts'

/** What all events about one token request have in common. */
export type TokenEvent = Omit<AuditEvent, 'kind'>

/** Free text of a caller is kept up to here. */
const maxText = 256

/**
 * What is known of a request once its caller is. Of what was asked only that which can't hold a secret: authorization
 * details are anybody's JSON until the driver has brought them to its own form, and are recorded then.
 */
export function tokenEvent(
  incoming: { readonly requestId: string; readonly connector: string },
  caller: Caller,
  parsed: Outcome<ParsedTokenRequest>,
  link: Link | undefined,
): TokenEvent {
  const request = parsed.ok ? parsed.value : undefined
  return {
    requestId: incoming.requestId,
    actor: actorOf(caller),
    ...(caller.kind === 'workload' ? { projectId: caller.projectId, environment: caller.environment } : {}),
    ...(link === undefined ? {} : { connectorId: link.connector.id, connectorUid: link.connector.uid }),
    details: {
      ...(link === undefined ? { connector: auditReference('connector', incoming.connector) } : {}),
      ...(request === undefined ? {} : { subject: describeSubject(request) }),
      ...(request?.scopes === undefined ? {} : { scopes: request.scopes.map(cut) }),
      ...(request?.rejectedTokenId === undefined
        ? {}
        : { rejectedTokenId: auditReference('token', request.rejectedTokenId) }),
      ...(request?.toolCallId === undefined ? {} : { toolCallId: cut(request.toolCallId) }),
    },
  }
}

export function refusedEvent(event: TokenEvent, refusal: Refusal): AuditEvent {
  return {
    ...event,
    kind: refusal.reason === 'provider_fault' ? 'token_failed' : 'token_refused',
    code: answerFor(refusal).code,
    reason: refusal.reason,
    details: { ...event.details, ...('part' in refusal ? { part: refusal.part.slice(0, 4 * maxText) } : {}) },
  }
}

/** The broker itself failed on a request whose caller is known. */
export function failedEvent(event: TokenEvent): AuditEvent {
  return { ...event, kind: 'token_failed', code: 'unavailable', reason: 'unavailable' }
}

/** Committed before a provider is called: `effective` is what it will be asked for. */
export function intendedEvent(event: TokenEvent, effective: MintRequest): AuditEvent {
  const { scopes, resources, authorizationDetails } = effective
  return {
    ...event,
    kind: 'token_intended',
    details: { ...event.details, effective: { scopes, resources, authorizationDetails } },
  }
}

export function issuedEvent(
  event: TokenEvent,
  token: ServableToken,
  served: 'stored' | 'minted',
): AuditEvent {
  const { requested, granted, enforcedBy, standing } = token.facts
  return {
    ...event,
    kind: 'token_issued',
    tokenId: token.id,
    tokenDigest: token.facts.digest,
    details: {
      ...event.details,
      served,
      requested,
      granted,
      enforcedBy,
      expiresAt: token.expiresAt,
      ...(standing === undefined ? {} : { standing }),
    },
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
        id: cut(subject.id),
        ...(subject.issuer === undefined ? {} : { issuer: cut(subject.issuer) }),
      }
    case 'jwt-bearer':
      return { type: 'jwt-bearer', sub: cut(subject.sub) }
  }
}

function cut(text: string): string {
  return text.slice(0, maxText).toWellFormed()
}
