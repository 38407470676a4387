import type { ConsentFinished } from '@valetkey/connectors'
import type { BrokerContext } from '../context.ts'
import { sha256 } from '../digest.ts'
import { signInReturn, signInSubject } from '../gateway/return.ts'
import { openSettings } from '../issue/connector-settings.ts'
import { faultName, providerAccess, refusalOfFault } from '../issue/provider-call.ts'
import { answerFor, type Refusal } from '../refusal.ts'
import { open } from '../secrets/seal.ts'
import { consentContext } from '../secrets/sealed-columns.ts'
import {
  connectorVersion,
  lockForGrant,
  readConsentRequest,
  settle,
  takeState,
} from '../store/consent-requests.ts'
import { isAccountInUse } from '../store/grant-ending.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import { answerFailure, type BrowserAnswer, type ConsentError, failed, goingTo } from './browser-answer.ts'
import { browserActor, refusedConsent, requestEvent } from './consent-events.ts'
import { abandon, makeGrant, sealGranted } from './granted.ts'
import { consentStart, type OpenRequest, openRequest } from './leave.ts'
import { providerTitle } from './provider-title.ts'
import { hashTypedCode, matchesHash, newSecret, requestOfState, typedCodeOf } from './secrets.ts'
import { settleFailure } from './settle-failure.ts'
import { codeEnd, nextStep, statusAt } from './state.ts'
import { withAnswer } from './with-answer.ts'

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
 * sent; only then is anything redeemed. Whatever comes of it, that browser does not stay at this address, which holds the
 * provider's code.
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
    return (await answerBefore(context, callback, state)) ?? notExpected
  }
  const { browser } = callback
  const who = { requestId: callback.requestId, actor: browserActor }
  const refused = async (refusal: Refusal, answer: BrowserAnswer) => {
    await context.audit.append(refusedConsent(requestEvent(row, who), refusal))
    return answer
  }
  if (browser === undefined || !matchesHash(browser, row.browser_hash)) {
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
  const outcome: BrowserAnswer = { show: 'outcome', request: row.id }
  if (statusAt(row, context.now()) !== 'pending') return refused(over, outcome)
  const request = await openRequest(context, row)
  if (request === undefined) return refused({ reason: 'connector_not_linked' }, outcome)

  const finished = await finish(context, request, { url, state })
  if ('code' in finished) {
    return (await settleFailure(context, row, finished, who)) ? tellFailure(context, row, finished) : outcome
  }
  return keepConsent(context, request, finished, { browser, requestId: callback.requestId })
}

const notExpected: BrowserAnswer = failed(
  400,
  'This answer is not expected',
  'It belongs to no request that this browser was sent for, or to one that has moved on.',
)

/** A state that was used, in the browser that was sent with it: what came of the request, as far as that is known. */
async function answerBefore(
  context: BrokerContext,
  { connectorId, browser }: Callback,
  state: string | undefined,
): Promise<BrowserAnswer | undefined> {
  const id = requestOfState(state ?? '')
  const row = id === undefined ? undefined : await readConsentRequest(context.db, id)
  if (row?.connector_id !== connectorId || !matchesHash(browser ?? '', row.browser_hash)) return undefined
  const status = statusAt(row, context.now())
  const led = (status === 'consented' || status === 'active') && nextStep(row) === 'return'
  if (status !== 'pending' && !led) return { show: 'outcome', request: row.id }
  const message = led
    ? 'It has been passed on. Go back to where you began to see how it goes on.'
    : 'It counts once. If nothing comes of it, open the link where you began again, in this browser.'
  return { ...failed(400, 'This answer was used already', message), final: true }
}

/** A failure as the browser learns of it: in the app, or on the page of the outcome. */
function tellFailure(context: BrokerContext, row: ConsentRequestRow, error: ConsentError): BrowserAnswer {
  const answer = answerFailure(context, row, error)
  return answer.show === 'away' ? answer : { show: 'outcome', request: row.id }
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
  { browser, requestId }: { readonly browser: string; readonly requestId: string },
): Promise<BrowserAnswer> {
  const named = await nameSubject(context, request.row, finished)
  let kept: Kept | ConsentError | 'elsewhere' | undefined
  try {
    kept = await storeConsent(context, request, finished, { named, browser })
  } catch (error) {
    await endAtOnce(context, request, finished)
    throw error
  }
  const who = { requestId, actor: browserActor, connectorUid: request.connector.uid }
  if (kept === 'elsewhere') await endAtOnce(context, request, finished)
  if (kept === undefined || kept === 'elsewhere' || 'code' in kept) {
    const refusal: Refusal = { reason: 'conflict', message: 'The request ended meanwhile' }
    await context.audit.append(refusedConsent(requestEvent(request.row, who), refusal))
    return typeof kept === 'object'
      ? tellFailure(context, request.row, kept)
      : { show: 'outcome', request: request.row.id }
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
  by: {
    readonly named: Pick<ConsentRequestRow, 'issuer' | 'user_id'> | undefined
    /** The secret of the browser's cookie. */
    readonly browser: string
  },
): Promise<Kept | ConsentError | 'elsewhere' | undefined> {
  const { keyRing } = context
  const { named, browser } = by
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
        return give({
          code: 'provider_refused',
          message: `${providerTitle(request.driver, request.connector)} did not say who you are`,
        })
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
          answer: answerConsent(context, row),
        }
      }
      const typed = nextStep(row) === 'code'
      const code = typed ? typedCodeOf(browser, row.id) : newSecret()
      await settle(transaction, row, {
        status: 'consented',
        columns: {
          ...named,
          credential: sealGranted(keyRing, row, finished),
          code_hash: typed ? hashTypedCode(code) : sha256(code),
          code_expires_at: codeEnd(row, now),
        },
        now,
      })
      return {
        row,
        kinds: ['consent_given'],
        answer: answerConsent(context, row, code),
      }
    })
}

const detached: ConsentError = {
  code: 'conflict',
  message: 'The connector was detached from the project meanwhile',
}

/** Where the browser goes that consented: it alone is given the code, here or on the page of the outcome. */
function answerConsent(context: BrokerContext, row: ConsentRequestRow, code?: string): BrowserAnswer {
  if (row.kind === 'sign_in' && code !== undefined) {
    return { show: 'away', ...goingTo(signInReturn(context, row, { code })) }
  }
  if (nextStep(row) === 'return' && row.return_url !== null) {
    const answer = { request: row.id, ...(code === undefined ? {} : { code }) }
    return { show: 'away', ...goingTo(withAnswer(row.return_url, answer)) }
  }
  return { show: 'outcome', request: row.id }
}

/** What could not be kept must not live on at the provider; a failure here only leaves it to its own end. */
async function endAtOnce(
  context: BrokerContext,
  { driver, consent, connector }: OpenRequest,
  { credential, identity }: ConsentFinished,
): Promise<void> {
  try {
    const settings = openSettings(context.keyRing, connector)
    await consent.endGrant?.(settings, credential, providerAccess(context), {
      accountInUse: await isAccountInUse(context.db, { connector_id: connector.id, identity }),
    })
  } catch (error) {
    context.log('warn', 'a grant that was not kept could not be ended at its provider', {
      service: driver.service,
      fault: faultName(error),
    })
  }
}
