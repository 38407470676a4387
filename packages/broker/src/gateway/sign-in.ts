import { type BegunConsent, beginConsent } from '../consent/begin-consent.ts'
import type { BrokerContext } from '../context.ts'
import { parseTokenRequest } from '../issue/token-request.ts'
import { answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { hasOpenSignIns } from '../store/consent-requests.ts'
import type { SignInRefused, SignInToBegin } from './authorize.ts'

/**
 * Sign-ins of one connector that wait for somebody at the same time. Anybody can begin one, from any number of
 * addresses; more than these is nobody who wants to sign in.
 */
const maxOpenSignIns = 10_000

/**
 * Begins the consent of a sign-in; `url` is its page. What the provider is asked for is the attachment's ceiling.
 *
 * No event says so: whoever calls this is unknown and may do so without end. The trail begins with the click on the
 * page.
 */
export async function beginSignIn(
  context: BrokerContext,
  begin: SignInToBegin,
): Promise<{ readonly url: string } | SignInRefused> {
  const begun = await beginWithin(context, begin)
  if (!begun.ok) {
    // A browser asks, of whom nothing is known.
    context.audit.countAnonymous(begun.refusal.reason)
    return whyNot(begun.refusal)
  }
  return { url: begun.value.url }
}

async function beginWithin(context: BrokerContext, begin: SignInToBegin): Promise<Outcome<BegunConsent>> {
  // Who it is, only the provider will say: what counts here is that it is a user.
  const wanted = parseTokenRequest({ subject: { type: 'user', id: 'whoever signs in' } })
  if (!wanted.ok) return wanted
  const { connector, attachment, gateway, prompt } = begin
  if (
    await hasOpenSignIns(context.db, { connectorId: connector.id, count: maxOpenSignIns, now: context.now() })
  )
    return refuse({ reason: 'rate_limited', retryAfterSeconds: 60 })
  return beginConsent(context, {
    kind: 'sign_in',
    connectorId: connector.id,
    attachment,
    gateway,
    request: { wanted: wanted.value, delivery: {}, ...(prompt === undefined ? {} : { prompt }) },
  })
}

/** What the app is told. No `default`: a new code must not compile until it is mapped. */
function whyNot(refusal: Refusal): SignInRefused {
  switch (answerFor(refusal).code) {
    case 'rate_limited':
    case 'unavailable':
    case 'conflict':
    case 'provider_error':
      return { error: 'temporarily_unavailable', description: 'Try again in a moment' }
    case 'above_ceiling':
    case 'forbidden':
    case 'invalid_request':
      return {
        error: 'unauthorized_client',
        description: 'This connector signs nobody in: it knows no users, or its attachment allows none',
      }
    case 'identity_invalid':
    case 'identity_expired':
    case 'identity_ambiguous':
    case 'not_found':
    case 'too_large':
    case 'no_token':
    case 'user_authorization_required':
    case 'connector_installation_required':
    case 'provider_refused':
      return { error: 'server_error', description: 'The sign-in could not be begun' }
  }
}
