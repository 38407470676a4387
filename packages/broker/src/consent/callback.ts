import type { ConsentFinished } from '@valetkey/connectors'
import type { BrokerContext } from '../context.ts'
import { sha256 } from '../digest.ts'
import { signInReturn, signInSubject } from '../gateway/return.ts'
import { openSettings } from '../issue/connector-settings.ts'
import { faultName, providerAccess, refusalOfFault } from '../issue/provider-call.ts'
import { answerFor, type Refusal } from '../refusal.ts'
import { open } from '../secrets/seal.ts'
import { consentContext } from '../secrets/sealed-columns.ts'
import { connectorVersion, lockForGrant, settle, takeState } from '../store/consent-requests.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import {
  answerFailure,
  type BrowserAnswer,
  type ConsentError,
  failed,
  goingTo,
  requestOver,
  withAnswer,
} from './browser-answer.ts'
import { browserActor, refusedConsent, requestEvent } from './consent-events.ts'
import { abandon, makeGrant, sealGranted } from './granted.ts'
import { consentStart, type OpenRequest, openRequest } from './leave.ts'
import { hashTypedCode, matchesHash, newSecret, newTypedCode } from './secrets.ts'
import { settleFailure } from './settle-failure.ts'
import { codeEnd, nextStep, statusAt } from './state.ts'

/** What came back from a provider. */
export interface Callback {
  readonly requestId: string
  /** From the path: each connector has a redirect URI of its own. */
  readonly connectorId: string
  /** The query that the browser was sent with. */
  readonly search: string
  /** The secret of the browser's cookie. */
  readonly browser: string | undefined
}

/**
 * `GET /v1/connect/callback/{connector id}`: redeems what the provider gave and keeps it for whoever completes the
 * request.
 *
 * In this order: the state counts once, at its own connector; the request still waits; the browser is the one that was
 * sent; only then is anything redeemed.
 */
export async function answerCallback(context: BrokerContext, callback: Callback): Promise<BrowserAnswer> {
  const url = new URL(
    `${context.publicUrl}/v1/connect/callback/${encodeURIComponent(callback.connectorId)}${callback.search}`,
  )
  const [state, ...others] = url.searchParams.getAll('state')
  const row =
    state === undefined || others.length > 0
      ? undefined
      : await takeState(context.db, { connectorId: callback.connectorId, stateHash: sha256(state) })
  if (state === undefined || row === undefined) {
    context.audit.countAnonymous('request_invalid')
    return failed(
      400,
      'This answer is not expected',
      'It was used already, or belongs to another request. Nothing was kept.',
    )
  }
  const who = { requestId: callback.requestId, actor: browserActor }
  const refused = async (refusal: Refusal, answer: BrowserAnswer) => {
    await context.audit.append(refusedConsent(requestEvent(row, who), refusal))
    return answer
  }
  if (!matchesHash(callback.browser ?? '', row.browser_hash)) {
    return refused(
      { reason: 'browser_mismatch' },
      failed(
        403,
        'Another browser began this',
        'The answer came to a browser that was not sent to get it. Nothing was kept. Open the link again in one browser.',
      ),
    )
  }
  const over: Refusal = { reason: 'conflict', message: 'The request is over' }
  if (statusAt(row, context.now()) !== 'pending') return refused(over, requestOver)
  const request = await openRequest(context, row)
  if (request === undefined) return refused({ reason: 'connector_not_linked' }, requestOver)

  const finished = await finish(context, request, { url, state })
  if ('code' in finished) {
    return (await settleFailure(context, row, finished, who))
      ? answerFailure(context, row, finished)
      : requestOver
  }
  return keepConsent(context, request, finished, callback.requestId)
}

/** Has the driver redeem the callback; a no and a fault both end the request. */
async function finish(
  context: BrokerContext,
  { row, connector, driver, consent }: OpenRequest,
  callback: { readonly url: URL; readonly state: string },
): Promise<ConsentFinished | ConsentError> {
  if (row.pending === null) throw new Error('A state without what its callback needs')
  const pending = JSON.parse(open(context.keyRing, consentContext(row, 'pending'), row.pending))
  const settings = openSettings(context.keyRing, connector)
  const start = consentStart(context, row, callback.state)
  try {
    const result = await consent.finish(
      settings,
      { url: callback.url, start, pending },
      providerAccess(context),
    )
    if (result.outcome === 'granted') return result
    return {
      code: result.reason === 'denied' ? 'access_denied' : 'provider_refused',
      message: result.message,
    }
  } catch (error) {
    // A code counts once: whatever the provider made of it, a second try could not succeed.
    return { code: 'provider_error', message: answerFor(refusalOfFault(driver, error)).message }
  }
}

/** What a consent leads to: where the browser goes, and what the trail is to say. */
interface Kept {
  readonly row: ConsentRequestRow
  readonly kinds: readonly ('consent_given' | 'consent_completed')[]
  readonly answer: BrowserAnswer
}

/** Keeps what was given, sealed and of no use to anybody; where the attachment says so, as a grant at once. */
async function keepConsent(
  context: BrokerContext,
  request: OpenRequest,
  finished: ConsentFinished,
  requestId: string,
): Promise<BrowserAnswer> {
  const named = await nameSubject(context, request.row, finished)
  let kept: Kept | ConsentError | 'elsewhere' | undefined
  try {
    kept = await storeConsent(context, request, finished, named)
  } catch (error) {
    await endAtOnce(context, request, finished)
    throw error
  }
  const who = { requestId, actor: browserActor, connectorUid: request.connector.uid }
  if (kept === 'elsewhere') await endAtOnce(context, request, finished)
  if (kept === undefined || kept === 'elsewhere' || 'code' in kept) {
    const refusal: Refusal = { reason: 'conflict', message: 'The request ended meanwhile' }
    await context.audit.append(refusedConsent(requestEvent(request.row, who), refusal))
    return typeof kept === 'object' ? answerFailure(context, request.row, kept) : requestOver
  }
  // The code leaves with this answer, not before the event is committed.
  for (const kind of kept.kinds) await context.audit.append({ ...requestEvent(kept.row, who), kind })
  return kept.answer
}

/** The owner of a sign-in's grant: whoever the provider says it was. Undefined when it named nobody. */
async function nameSubject(
  context: BrokerContext,
  row: ConsentRequestRow,
  { identity }: ConsentFinished,
): Promise<Pick<ConsentRequestRow, 'issuer' | 'user_id'> | undefined> {
  if (row.kind !== 'sign_in') return { issuer: row.issuer, user_id: row.user_id }
  const subject = await signInSubject(context, row, identity)
  return subject === undefined ? undefined : { issuer: context.publicUrl, user_id: subject }
}

function storeConsent(
  context: BrokerContext,
  request: OpenRequest,
  finished: ConsentFinished,
  named: Pick<ConsentRequestRow, 'issuer' | 'user_id'> | undefined,
): Promise<Kept | ConsentError | 'elsewhere' | undefined> {
  const { keyRing } = context
  return context.db
    .transaction()
    .execute(async (transaction): Promise<Kept | ConsentError | 'elsewhere' | undefined> => {
      const now = context.now()
      const locked = await lockForGrant(transaction, request.row.id)
      if (locked === undefined) throw new Error('The request was forgotten while its provider was asked')
      if (locked.status !== 'pending') {
        // The worker ends it with the settings of that time: those of a changed connector might send it elsewhere.
        const unchanged =
          (await connectorVersion(transaction, locked.connector_id)) === request.connector.version
        if (unchanged) await abandon(keyRing, transaction, locked, finished, now)
        return unchanged ? undefined : 'elsewhere'
      }
      const give = async (error: ConsentError) => {
        await abandon(keyRing, transaction, locked, finished, now)
        await settle(transaction, locked, { status: 'error', error, now })
        return error
      }
      if (named === undefined) {
        return give({ code: 'provider_refused', message: `${request.driver.title} did not say who you are` })
      }
      const row: ConsentRequestRow = { ...locked, ...named }
      if (row.binding === 'consent') {
        const refreshes = request.consent.refresh !== undefined
        const grantId = await makeGrant(keyRing, transaction, row, finished, { refreshes, now })
        if (grantId === undefined) return give(detached)
        await settle(transaction, row, { status: 'active', columns: { grant_id: grantId }, now })
        return {
          row: { ...row, grant_id: grantId },
          kinds: ['consent_given', 'consent_completed'],
          answer: answerConsent(context, request, row),
        }
      }
      const typed = nextStep(row) === 'code'
      const code = typed ? newTypedCode() : newSecret()
      const expiresAt = codeEnd(row, now)
      await settle(transaction, row, {
        status: 'consented',
        columns: {
          ...named,
          credential: sealGranted(keyRing, row, finished),
          code_hash: typed ? hashTypedCode(code) : sha256(code),
          code_expires_at: expiresAt,
        },
        now,
      })
      return {
        row,
        kinds: ['consent_given'],
        answer: answerConsent(context, request, row, { code, expiresAt }),
      }
    })
}

const detached: ConsentError = {
  code: 'conflict',
  message: 'The connector was detached from the project meanwhile',
}

/** Where the browser goes that consented: it alone is given the code. */
function answerConsent(
  context: BrokerContext,
  request: OpenRequest,
  row: ConsentRequestRow,
  completion?: { readonly code: string; readonly expiresAt: number },
): BrowserAnswer {
  if (row.kind === 'sign_in' && completion !== undefined) {
    return { show: 'away', ...goingTo(signInReturn(context, row, { code: completion.code })) }
  }
  if (nextStep(row) === 'return' && row.return_url !== null) {
    const answer = { request: row.id, ...(completion === undefined ? {} : { code: completion.code }) }
    return { show: 'away', ...goingTo(withAnswer(row.return_url, answer)) }
  }
  return { show: 'done', service: request.driver.title, kind: row.kind, ...completion }
}

/** What could not be kept must not live on at the provider; a failure here only leaves it to its own end. */
async function endAtOnce(
  context: BrokerContext,
  { driver, consent, connector }: OpenRequest,
  { credential }: ConsentFinished,
): Promise<void> {
  try {
    await consent.endGrant?.(openSettings(context.keyRing, connector), credential, providerAccess(context))
  } catch (error) {
    context.log('warn', 'a grant that was not kept could not be ended at its provider', {
      service: driver.service,
      fault: faultName(error),
    })
  }
}
