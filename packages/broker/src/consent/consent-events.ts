import { actorOf } from '../audit/actor.ts'
import type { AuditActor, AuditEvent } from '../audit/event.ts'
import { auditReference } from '../audit/reference.ts'
import type { Caller } from '../authenticate/caller.ts'
import { answerFor, type Refusal } from '../refusal.ts'
import type { Link } from '../store/admission.ts'
import type { ConsentRequestRow } from '../store/schema.ts'

/** What all events about one consent have in common. */
export type ConsentEvent = Omit<AuditEvent, 'kind'>

/** Whoever opened a consent page: nothing proves who that is. */
export const browserActor: AuditActor = { type: 'browser' }

/** Free text of a caller is kept up to here. */
const maxText = 256

/** What is known of a call before it has led to a request. */
export function callEvent(
  incoming: { readonly requestId: string; readonly connector?: string; readonly consentId?: string },
  caller: Caller,
  link: Link | undefined,
): ConsentEvent {
  return {
    requestId: incoming.requestId,
    actor: actorOf(caller),
    ...(caller.kind === 'workload' ? { projectId: caller.projectId, environment: caller.environment } : {}),
    ...(link === undefined ? {} : { connectorId: link.connector.id, connectorUid: link.connector.uid }),
    details: {
      ...(link === undefined && incoming.connector !== undefined
        ? { connector: auditReference('connector', incoming.connector) }
        : {}),
      ...(incoming.consentId === undefined ? {} : { request: requestReference(incoming.consentId) }),
    },
  }
}

/** What is known of a request, said of whoever acts on it now. Codes, states and what was granted are not in it. */
export function requestEvent(
  row: ConsentRequestRow,
  who: { readonly requestId?: string; readonly actor: AuditActor; readonly connectorUid?: string },
): ConsentEvent {
  return {
    ...(who.requestId === undefined ? {} : { requestId: who.requestId }),
    actor: who.actor,
    projectId: row.project_id,
    environment: row.environment,
    connectorId: row.connector_id,
    ...(who.connectorUid === undefined ? {} : { connectorUid: who.connectorUid }),
    details: {
      request: row.id,
      kind: row.kind,
      binding: row.binding,
      ...(row.user_id === ''
        ? {}
        : {
            subject: {
              type: 'user',
              id: cut(row.user_id),
              ...(row.issuer === '' ? {} : { issuer: cut(row.issuer) }),
            },
          }),
      scopes: row.ask.scopes.map(cut),
      ...(row.grant_id === null ? {} : { grant: row.grant_id }),
    },
  }
}

export function refusedConsent(event: ConsentEvent, refusal: Refusal): AuditEvent {
  return {
    ...event,
    kind: 'consent_refused',
    code: answerFor(refusal).code,
    reason: refusal.reason,
    details: { ...event.details, ...('part' in refusal ? { part: refusal.part.slice(0, 4 * maxText) } : {}) },
  }
}

/** Ids of requests as they are; what only stands where one belongs, by its digest. */
function requestReference(text: string): string {
  return /^ask_[\w-]{20}$/.test(text) ? text : auditReference('request', text)
}

function cut(text: string): string {
  return text.slice(0, maxText).toWellFormed()
}
