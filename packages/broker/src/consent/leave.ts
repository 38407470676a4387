import type { ConsentStart, Driver } from '@valetkey/connectors'
import type { BrokerContext } from '../context.ts'
import { sha256 } from '../digest.ts'
import { openSettings } from '../issue/connector-settings.ts'
import { providerAccess, refusalOfFault } from '../issue/provider-call.ts'
import { answerFor } from '../refusal.ts'
import { seal } from '../secrets/seal.ts'
import { consentContext } from '../secrets/sealed-columns.ts'
import {
  type ConsentWithParties,
  noteLeaving,
  readConsentRequest,
  readParties,
} from '../store/consent-requests.ts'
import type { ConnectorRow, ConsentRequestRow } from '../store/schema.ts'
import { answerFailure, type BrowserAnswer, failed, requestOver } from './browser-answer.ts'
import { browserActor, requestEvent } from './consent-events.ts'
import { providerTitle } from './provider-title.ts'
import { matchesHash, newState } from './secrets.ts'
import { settleFailure } from './settle-failure.ts'
import { statusAt } from './state.ts'

/** A request to which somebody can consent now, and all that it takes. */
export interface OpenRequest extends ConsentWithParties {
  readonly connector: ConnectorRow
  readonly driver: Driver
  readonly consent: NonNullable<Driver['consent']>
}

/** A request to which somebody can consent now; undefined when it is over, unknown, or no longer anybody's. */
export async function findOpenRequest(context: BrokerContext, id: string): Promise<OpenRequest | undefined> {
  const row = await readConsentRequest(context.db, id)
  if (row === undefined || statusAt(row, context.now()) !== 'pending') return undefined
  return openRequest(context, row)
}

/** As {@link findOpenRequest}, for a request that was read. */
export async function openRequest(
  context: BrokerContext,
  row: ConsentRequestRow,
): Promise<OpenRequest | undefined> {
  const parties = await readParties(context.db, row)
  const { connector } = parties
  if (!parties.attached || connector === undefined) return undefined
  const driver = context.findDriver(connector.service)
  const consent = driver?.consent
  return driver === undefined || consent === undefined
    ? undefined
    : { ...parties, connector, driver, consent }
}

/**
 * A request as one browser meets it. Only the browser into which the device code was typed has come by it: whoever
 * typed it elsewhere must not keep another from going back to the app, which knows the person.
 */
export function asSeenBy(open: OpenRequest, secret: string): OpenRequest {
  const { row } = open
  const typed = row.entered_by === 'device' && matchesHash(secret, row.browser_hash)
  return { ...open, row: { ...row, entered_by: typed ? 'device' : 'url' } }
}

/** What a driver is asked to begin, and given again when the browser is back. */
export function consentStart(context: BrokerContext, row: ConsentRequestRow, state: string): ConsentStart {
  return {
    kind: row.kind === 'install' ? 'installation' : 'user',
    redirectUri: `${context.publicUrl}/v1/connect/callback/${row.connector_id}`,
    state,
    ...row.ask,
    ...(row.kind === 'sign_in' ? { signIn: true } : {}),
  }
}

/**
 * Sends a browser to the provider, under a new state that only this browser can come back with. Another one that
 * continues takes the request over: what it was sent with before is of no use any more.
 */
export async function leave(
  context: BrokerContext,
  open: OpenRequest,
  browser: { readonly secret: string; readonly requestId: string },
): Promise<BrowserAnswer> {
  const { row, connector, driver, consent } = open
  const who = { requestId: browser.requestId, actor: browserActor, connectorUid: connector.uid }
  // Once a request, or a person who goes back and forth would fill the trail.
  if (row.pending === null) {
    await context.audit.append({ ...requestEvent(row, who), kind: 'consent_intended' })
  }
  const state = newState(row.id)
  let started: Awaited<ReturnType<typeof consent.start>>
  try {
    const settings = openSettings(context.keyRing, connector)
    started = await consent.start(settings, consentStart(context, row, state), providerAccess(context))
  } catch (error) {
    const { message } = answerFor(refusalOfFault(driver, error))
    return failed(
      502,
      `${providerTitle(driver, connector)} can’t be reached`,
      `${message}. Go back and try again.`,
    )
  }
  if ('outcome' in started) {
    const error = { code: 'provider_refused', message: started.message } as const
    return (await settleFailure(context, row, error, who)) ? answerFailure(context, row, error) : requestOver
  }
  const left = await noteLeaving(context.db, row.id, {
    browserHash: sha256(browser.secret),
    enteredBy: row.entered_by,
    stateHash: sha256(state),
    pending: seal(context.keyRing, consentContext(row, 'pending'), JSON.stringify(started.pending)),
    now: context.now(),
  })
  return left ? { show: 'away', url: started.url, service: providerTitle(driver, connector) } : requestOver
}

/** A person says no before anything was asked of the provider. */
export async function cancel(
  context: BrokerContext,
  open: OpenRequest,
  requestId: string,
): Promise<BrowserAnswer> {
  const error = { code: 'access_denied', message: 'The request was cancelled' } as const
  const who = { requestId, actor: browserActor }
  return (await settleFailure(context, open.row, error, who))
    ? answerFailure(context, open.row, error)
    : requestOver
}
