import type { AuthorizeResponse } from '@valetkey/protocol'
import type { BrokerContext } from '../context.ts'
import { admit } from '../issue/admit.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { type BegunConsent, beginConsent } from './begin-consent.ts'
import { parseConsentRequest } from './begin-request.ts'
import { callEvent, refusedConsent, requestEvent } from './consent-events.ts'
import { providerTitle } from './provider-title.ts'

/** A request for consent as it came over the wire. */
export interface IncomingConsentRequest {
  readonly kind: 'authorize' | 'install'
  readonly requestId: string
  readonly credential: string | undefined
  readonly connector: string
  /** Its JSON, or the refusal that it is none: said only to somebody who is known. */
  readonly body: Outcome<unknown>
}

/** `POST /v1/connect/authorize/{connector}` and `POST /v1/connect/install/{connector}`. */
export async function answerBegin(
  context: BrokerContext,
  incoming: IncomingConsentRequest,
): Promise<Outcome<AuthorizeResponse>> {
  // No token is looked for: what has no key is never found.
  const admitted = await admit(context, incoming, refuse({ reason: 'request_invalid', message: '' }))
  if (admitted.outcome === 'anonymous' || admitted.outcome === 'flooding') {
    context.audit.countAnonymous(admitted.refusal.reason)
    return refuse(admitted.refusal)
  }
  const rate =
    admitted.outcome === 'admitted' ? await context.limits.consentStart(admitted.caller) : undefined
  if (rate?.ok === false && rate.record === 'count') {
    context.audit.countAnonymous(rate.refusal.reason)
    return rate
  }
  const link = admitted.outcome === 'admitted' ? admitted.link : undefined
  const event = callEvent(incoming, admitted.caller, link)
  const begun = await (async (): Promise<Outcome<BegunConsent>> => {
    if (admitted.outcome === 'refused') return refuse(admitted.refusal)
    if (rate?.ok === false) return rate
    const request = incoming.body.ok ? parseConsentRequest(incoming.kind, incoming.body.value) : incoming.body
    if (!request.ok) return request
    if (link === undefined || !('attachment' in link.found)) return refuse({ reason: 'connector_not_linked' })
    return beginConsent(context, {
      kind: incoming.kind,
      connectorId: link.connector.id,
      attachment: link.found.attachment,
      request: request.value,
    })
  })()
  if (!begun.ok) {
    await context.audit.append(refusedConsent(event, begun.refusal))
    return begun
  }
  const { row, connector } = begun.value
  // Whoever is not told of the request can do nothing with it: nothing leaves before this event is committed.
  await context.audit.append({
    ...requestEvent(row, { ...event, connectorUid: connector.uid }),
    kind: 'consent_begun',
  })
  return accept(describe(context, begun.value))
}

function describe(
  { publicUrl }: BrokerContext,
  { row, connector, driver, url, verifier, deviceCode }: BegunConsent,
): AuthorizeResponse {
  return {
    url,
    request: row.id,
    verifier,
    expiresAt: row.expires_at,
    ...(deviceCode === undefined ? {} : { deviceCode, verificationUri: `${publicUrl}/device` }),
    connector: {
      id: connector.id,
      uid: connector.uid,
      type: connector.type,
      service: connector.service,
      serviceName: providerTitle(driver, connector),
      name: connector.name,
    },
  }
}
