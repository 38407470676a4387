import type { CompleteResponse, ConsentStatusResponse, Subject } from '@valetkey/protocol'
import { z } from 'zod'
import { actorOf } from '../audit/actor.ts'
import { authenticate } from '../authenticate/authenticate.ts'
import type { Workload } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { describeIssue } from '../issue/describe-issue.ts'
import { accept, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { readConsentRequest } from '../store/consent-requests.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import { completeConsent, isOf } from './complete.ts'
import { callEvent, refusedConsent, requestEvent } from './consent-events.ts'
import { statusAt } from './state.ts'

const text = z.string().min(1).max(2048)

const statusBody = z.strictObject({ verifier: text })

const completeBody = z.strictObject({
  verifier: text,
  code: text,
  subject: z.strictObject({ type: z.literal('user'), id: text, issuer: text.optional() }).optional(),
})

/** A call about a request as it came over the wire. */
export interface IncomingRequestCall {
  readonly requestId: string
  readonly credential: string | undefined
  readonly consentId: string
  /** Its JSON, or the refusal that it is none: said only to somebody who is known. */
  readonly body: Outcome<unknown>
}

/** `POST /v1/connect/requests/{request}/status`. It tells, and changes nothing. */
export function answerStatus(
  context: BrokerContext,
  incoming: IncomingRequestCall,
): Promise<Outcome<ConsentStatusResponse>> {
  return answerCall(context, incoming, statusBody, async (caller, { verifier }) => {
    const row = await readConsentRequest(context.db, incoming.consentId)
    if (row === undefined || !(await isOf(context.db, row, caller, verifier))) {
      return refuse({ reason: 'consent_unknown' })
    }
    return accept(describeStatus(row, context.now()))
  })
}

/** `POST /v1/connect/requests/{request}/complete`. */
export function answerComplete(
  context: BrokerContext,
  incoming: IncomingRequestCall,
): Promise<Outcome<CompleteResponse>> {
  return answerCall(context, incoming, completeBody, async (caller, { verifier, code, subject }) => {
    const completed = await completeConsent(context, caller, {
      consentId: incoming.consentId,
      verifier,
      code,
      subject: subject === undefined ? undefined : userSubject(subject.id, subject.issuer),
    })
    if (!completed.ok) return completed
    const who = { requestId: incoming.requestId, actor: actorOf(caller) }
    await context.audit.append({ ...requestEvent(completed.value, who), kind: 'consent_completed' })
    return accept({ request: incoming.consentId, status: 'active' })
  })
}

/** Authenticates, parses, and records what is refused. */
async function answerCall<Schema extends z.ZodType, Answer>(
  context: BrokerContext,
  incoming: IncomingRequestCall,
  schema: Schema,
  run: (caller: Workload, body: z.output<Schema>) => Promise<Outcome<Answer>>,
): Promise<Outcome<Answer>> {
  const caller = await authenticate(context, incoming.credential)
  if (!caller.ok) {
    context.audit.countAnonymous(caller.refusal.reason)
    return caller
  }
  const workload = caller.value.kind === 'workload' ? caller.value : undefined
  const rate = workload && (await context.limits.call(workload))
  if (rate?.ok === false && rate.record === 'count') {
    context.audit.countAnonymous(rate.refusal.reason)
    return rate
  }
  const outcome = await (async (): Promise<Outcome<Answer>> => {
    if (workload === undefined) return refuse({ reason: 'workload_needed' })
    if (rate?.ok === false) return rate
    if (!incoming.body.ok) return incoming.body
    const parsed = schema.safeParse(incoming.body.value)
    if (!parsed.success) {
      return refuse({ reason: 'request_invalid', message: describeIssue(parsed.error, 'the request') })
    }
    return run(workload, parsed.data)
  })()
  if (outcome.ok) return outcome
  if ((await recordOf(context, workload, outcome.refusal)) === 'event')
    await context.audit.append(refusedConsent(callEvent(incoming, caller.value, undefined), outcome.refusal))
  else context.audit.countAnonymous(outcome.refusal.reason)
  return outcome
}

/** One who asks without end must not fill the trail. Attempts at a code end by themselves: each is an event. */
async function recordOf(
  context: BrokerContext,
  workload: Workload | undefined,
  { reason }: Refusal,
): Promise<'event' | 'count'> {
  if (workload === undefined || reason === 'completion_mismatch' || reason === 'rate_limited') return 'event'
  return context.limits.refusedCall(workload)
}

function describeStatus(row: ConsentRequestRow, now: number): ConsentStatusResponse {
  const status = statusAt(row, now)
  const error =
    row.error_code === null
      ? undefined
      : { code: row.error_code, message: row.error_message ?? 'The request came to nothing' }
  const told = status === 'expired' ? (error ?? expired) : error
  return { request: row.id, status, ...(told === undefined ? {} : { error: told }) }
}

/** Why a request is `expired`. */
export const expired: { readonly code: string; readonly message: string } = {
  code: 'expired',
  message: 'Nobody completed the request in time',
}

function userSubject(id: string, issuer: string | undefined): Subject {
  return { type: 'user', id, ...(issuer === undefined ? {} : { issuer }) }
}
