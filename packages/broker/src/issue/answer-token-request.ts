import type { TokenResponse } from '@valetkey/protocol'
import { AuditUnavailable } from '../audit/trail.ts'
import { authenticate } from '../authenticate/authenticate.ts'
import type { Workload } from '../authenticate/caller.ts'
import { effectiveRequest } from '../authorize/effective-request.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import type { Link } from '../store/admission.ts'
import { endToken } from '../store/issued-tokens.ts'
import { admit } from './admit.ts'
import { ceilingOf, mintTokenOnce } from './mint-token.ts'
import { openStored, respond, type ServableToken } from './stored-token.ts'
import {
  failedEvent,
  intendedEvent,
  issuedEvent,
  refusedEvent,
  type TokenEvent,
  tokenEvent,
} from './token-events.ts'
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
  const parsed = incoming.body.ok ? parseTokenRequest(incoming.body.value) : incoming.body
  const admitted = await admit(context, incoming, parsed)
  if (admitted.outcome === 'anonymous') {
    context.audit.countAnonymous(admitted.refusal.reason)
    context.metrics.tokenRequest(answerFor(admitted.refusal).code, 'none')
    return refuse(admitted.refusal)
  }

  const link = admitted.outcome === 'admitted' ? admitted.link : undefined
  const event = tokenEvent(incoming, admitted.caller, parsed, link)
  const decided = await recordingFailure(context, event, async (): Promise<Outcome<ServableToken>> => {
    if (admitted.outcome === 'refused') return refuse(admitted.refusal)
    if (!parsed.ok) return parsed
    if (link === undefined) return refuse({ reason: 'connector_not_linked' })
    if ('stored' in link.found) {
      return accept(openStored(context, admitted.caller, link.connector.id, parsed.value, link.found.stored))
    }
    return mintFor(context, { incoming, event, caller: admitted.caller, request: parsed.value, link })
  })

  if (!decided.ok) {
    await context.audit.append(refusedEvent(event, decided.refusal))
    context.metrics.tokenRequest(answerFor(decided.refusal).code, 'none')
    return decided
  }
  if (link === undefined) throw new Error('A token without a connector')
  const served = 'stored' in link.found ? 'stored' : 'minted'
  // Nothing leaves before this event is committed.
  await context.audit.append(issuedEvent(event, decided.value, served))
  context.metrics.tokenRequest('issued', served)
  return accept(respond(link.connector, decided.value))
}

/** Authorizes a request that no stored token answers, and has it minted. */
async function mintFor(
  context: BrokerContext,
  input: {
    readonly incoming: IncomingTokenRequest
    readonly event: TokenEvent
    readonly caller: Workload
    readonly request: ParsedTokenRequest
    readonly link: Link
  },
): Promise<Outcome<ServableToken>> {
  const { incoming, event, caller, request, link } = input
  if (!('attachment' in link.found)) throw new Error('Nothing to mint for')
  const { attachment } = link.found
  const driver = context.findDriver(link.connector.service)
  if (driver === undefined) {
    const message = `This broker has no driver for ${link.connector.service}`
    return refuse({ reason: 'unavailable', message })
  }
  const effective = effectiveRequest(request, ceilingOf(attachment), driver, caller.environment)
  if (!effective.ok) return effective
  const place = { attachmentId: link.attachmentId, requestKey: request.key }
  if (request.rejectedTokenId !== undefined) {
    await endToken(context.db, { id: request.rejectedTokenId, ...place, now: context.now() })
  }
  if (driver.behaviour.callsProvider) await context.audit.append(intendedEvent(event, effective.value))
  const mint = { caller, link, attachment, request, effective: effective.value, driver }
  const minted = await mintTokenOnce(context, mint)
  if (!minted.ok || (await stillProven(context, incoming.credential, caller))) return minted
  await endToken(context.db, { id: minted.value.id, ...place, now: context.now() })
  const refusal: Refusal = { reason: 'revoked_meanwhile' }
  return refuse(refusal)
}

/** Minting takes a call to a provider: the rule or access token that admitted the caller may be gone by now. */
async function stillProven(
  context: BrokerContext,
  credential: string | undefined,
  caller: Workload,
): Promise<boolean> {
  const again = await authenticate(context, credential)
  return (
    again.ok &&
    again.value.kind === 'workload' &&
    again.value.projectId === caller.projectId &&
    again.value.environment === caller.environment
  )
}

/** A request whose caller is known leaves an event even if the broker fails on it. */
async function recordingFailure<Result>(
  context: BrokerContext,
  event: TokenEvent,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AuditUnavailable)) {
      // The first failure is the one to tell of, whether or not this one could be recorded.
      await context.audit.append(failedEvent(event)).catch(() => undefined)
    }
    throw error
  }
}
