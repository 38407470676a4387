import type { Driver, MintRequest } from '@valetkey/connectors'
import type { TokenResponse } from '@valetkey/protocol'
import { AuditUnavailable } from '../audit/trail.ts'
import { authenticate } from '../authenticate/authenticate.ts'
import type { Workload } from '../authenticate/caller.ts'
import { effectiveRequest } from '../authorize/effective-request.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import type { Link, Unserved } from '../store/admission.ts'
import { endToken } from '../store/issued-tokens.ts'
import { admit } from './admit.ts'
import { consentMissing, holdsToken, installationMissing, tokenOfGrant } from './grant-token.ts'
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

/** Answers that are overtaken by revocations again and again are somebody's loop. */
const maxAttempts = 4

/** `POST /v1/connect/token/{connector}`: authenticate → authorize → issue → audit. */
export async function answerTokenRequest(
  context: BrokerContext,
  incoming: IncomingTokenRequest,
): Promise<Outcome<TokenResponse>> {
  const parsed = incoming.body.ok ? parseTokenRequest(incoming.body.value) : incoming.body
  for (let attempt = 1; ; attempt++) {
    const answer = await answerOnce(context, incoming, parsed, attempt < maxAttempts)
    // Something was revoked under the same attachment before this answer was recorded: it is decided anew.
    if (answer !== 'overtaken') return answer
  }
}

async function answerOnce(
  context: BrokerContext,
  incoming: IncomingTokenRequest,
  parsed: Outcome<ParsedTokenRequest>,
  again: boolean,
): Promise<Outcome<TokenResponse> | 'overtaken'> {
  const { tracing } = context
  const admitted = await tracing.step('valetkey.admit', {}, () => admit(context, incoming, parsed))
  if (admitted.outcome === 'anonymous' || admitted.outcome === 'flooding') {
    context.audit.countAnonymous(admitted.refusal.reason)
    context.metrics.tokenRequest(answerFor(admitted.refusal).code, 'none')
    return refuse(admitted.refusal)
  }

  const link = admitted.outcome === 'admitted' ? admitted.link : undefined
  const event = tokenEvent(incoming, admitted.caller, parsed, link)
  const decided = await recordingFailure(context, event, async (): Promise<Outcome<ServedToken>> => {
    if (admitted.outcome === 'refused') return refuse(admitted.refusal)
    if (!parsed.ok) return parsed
    if (link === undefined) return refuse({ reason: 'connector_not_linked' })
    if ('stored' in link.found) {
      const { caller } = admitted
      const token = openStored(context, caller, link.connector.id, parsed.value, link.found.stored)
      return accept({ token, served: 'stored' })
    }
    const { caller } = admitted
    return issueFor(context, { incoming, event, caller, request: parsed.value, link, unserved: link.found })
  })
  const refuseRecorded = async (refusal: Refusal) => {
    await context.audit.append(refusedEvent(event, refusal))
    context.metrics.tokenRequest(answerFor(refusal).code, 'none')
    return refuse(refusal)
  }

  if (!decided.ok) return refuseRecorded(decided.refusal)
  if (link === undefined) throw new Error('A token without a connector')
  const { token, served } = decided.value
  // Nothing leaves before this event is committed, and it commits before any revocation or not at all.
  const recorded = await tracing.step('valetkey.audit', {}, () =>
    context.audit.appendUnlessRevoked(issuedEvent(event, token, served), link.guard),
  )
  if (!recorded) {
    return again ? 'overtaken' : refuseRecorded({ reason: 'revoked_meanwhile' })
  }
  context.metrics.tokenRequest('issued', served)
  return accept(respond(link.connector, token))
}

/** A token, and whether a provider was called for it. */
interface ServedToken {
  readonly token: ServableToken
  readonly served: 'stored' | 'minted'
}

/** A request that no stored token answers. */
interface UnservedRequest {
  readonly incoming: IncomingTokenRequest
  readonly event: TokenEvent
  readonly caller: Workload
  readonly request: ParsedTokenRequest
  readonly link: Link
  readonly unserved: Unserved
}

/** Authorizes a request that no stored token answers, and has a grant or the provider answer it. */
async function issueFor(context: BrokerContext, input: UnservedRequest): Promise<Outcome<ServedToken>> {
  const { caller, request, link, unserved } = input
  const { attachment, grant } = unserved
  const driver = context.findDriver(link.connector.service)
  if (driver === undefined) {
    const message = `This broker has no driver for ${link.connector.service}`
    return refuse({ reason: 'unavailable', message })
  }
  const effective = effectiveRequest(request, ceilingOf(attachment), driver, caller.environment)
  if (!effective.ok) return effective
  if (request.subject.type === 'user' && driver.consent !== undefined && grant === undefined) {
    return refuse(consentMissing)
  }
  if (grant === undefined && request.subject.type === 'app' && attachment.installs) {
    return refuse(installationMissing)
  }
  if (grant !== undefined && (grant.row.kind === 'user' || holdsToken(context, grant.row))) {
    return issueFromGrant(context, input, driver, effective.value, grant)
  }
  // The record of an installation for which the driver mints with the app's own key.
  const chosen = grant === undefined ? {} : { installationId: grant.row.installation_id }
  return mintFor(context, input, driver, { ...effective.value, ...chosen })
}

async function issueFromGrant(
  context: BrokerContext,
  input: UnservedRequest,
  driver: Driver,
  effective: MintRequest,
  grant: NonNullable<Unserved['grant']>,
): Promise<Outcome<ServedToken>> {
  let called = false
  const token = await tokenOfGrant(context, {
    driver,
    grant,
    request: input.request,
    effective,
    ceiling: ceilingOf(input.unserved.attachment),
    beforeCall: async () => {
      called = true
      await context.audit.append(intendedEvent(input.event, effective))
    },
  })
  if (!token.ok) return token
  if (called && !(await stillProven(context, input.incoming.credential, input.caller))) {
    return refuse({ reason: 'revoked_meanwhile' })
  }
  return accept({ token: token.value, served: called ? 'minted' : 'stored' })
}

async function mintFor(
  context: BrokerContext,
  input: UnservedRequest,
  driver: Driver,
  effective: MintRequest,
): Promise<Outcome<ServedToken>> {
  const { incoming, event, caller, request, link, unserved } = input
  const { attachment } = unserved
  const place = { attachmentId: link.attachmentId, requestKey: request.key }
  if (request.rejectedTokenId !== undefined) {
    await endToken(context.db, { id: request.rejectedTokenId, ...place, now: context.now() })
  }
  if (driver.behaviour.callsProvider) await context.audit.append(intendedEvent(event, effective))
  const minted = await mintTokenOnce(context, {
    ...{ caller, link, attachment, request, effective, driver },
    grantId: unserved.grant?.row.id,
  })
  if (!minted.ok) return minted
  if (await stillProven(context, incoming.credential, caller)) {
    return accept({ token: minted.value, served: 'minted' })
  }
  await endToken(context.db, { id: minted.value.id, ...place, now: context.now() })
  return refuse({ reason: 'revoked_meanwhile' })
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
