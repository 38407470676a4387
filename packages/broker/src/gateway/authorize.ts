import type { BrokerContext } from '../context.ts'
import { findConnector } from '../store/connectors.ts'
import { findByRedirectUri } from '../store/redirect-uris.ts'
import type { AttachmentRow, ConnectorRow, GatewayAsk } from '../store/schema.ts'
import type { Parameters } from './parameters.ts'
import { isCodeChallenge } from './pkce.ts'
import { type AuthorizationError, returnTo } from './return.ts'
import { knownScopes } from './scopes.ts'
import { beginSignIn } from './sign-in.ts'

/** Longer than any client has a reason to send. */
const maxTextLength = 2_048

/** What the browser gets: a page that says why nothing can be done, or another place to go. */
export type AuthorizeAnswer = { readonly failed: string } | { readonly redirect: string }

/**
 * `GET /oauth/authorize`: checks who asks and begins the consent.
 *
 * Until client and redirect URI are proven to belong together nothing is sent anywhere: a broker that redirects to
 * wherever a link says would lend its name to whoever wrote the link (RFC 6749 §4.1.2.1, RFC 9700 §4.11).
 */
export async function answerAuthorize(
  context: BrokerContext,
  incoming: { readonly parameters: Parameters },
): Promise<AuthorizeAnswer> {
  const { parameters } = incoming
  const clientId = parameters.get('client_id')
  const redirectUri = parameters.get('redirect_uri')
  const repeated = parameters.firstRepeated()
  if (clientId === undefined || redirectUri === undefined)
    return { failed: 'The app that sent you here did not say who it is, or where to go afterwards.' }
  if (repeated === 'client_id' || repeated === 'redirect_uri') return { failed: contradicts }
  const connector = await findConnector(context.db, clientId)
  const attachment =
    connector && (await findByRedirectUri(context.db, { connectorId: connector.id, uri: redirectUri }))
  if (connector === undefined || attachment === undefined)
    return { failed: 'The app that sent you here is not registered, or not with this return address.' }

  const stateOnce = parameters.all('state').length === 1 ? parameters.get('state') : undefined
  const state = stateOnce !== undefined && stateOnce.length <= maxTextLength ? stateOnce : undefined
  const back = (error: AuthorizationError, description: string): AuthorizeAnswer => ({
    redirect: returnTo(
      context,
      { redirectUri, ...(state === undefined ? {} : { state }) },
      { error, error_description: description },
    ),
  })
  const asked = parseAsk(parameters, redirectUri)
  if ('error' in asked) return back(asked.error, asked.description)
  const begun = await beginSignIn(context, { ...asked, connector, attachment })
  return 'url' in begun ? { redirect: begun.url } : back(begun.error, begun.description)
}

const contradicts = 'The app that sent you here contradicts itself.'

/** A request of the gateway once its parameters have been read. */
export interface SignInAsk {
  readonly gateway: GatewayAsk
  readonly prompt: string | undefined
}

/** A request to begin a sign-in. */
export interface SignInToBegin extends SignInAsk {
  readonly connector: ConnectorRow
  readonly attachment: AttachmentRow
}

/** Why a sign-in does not begin, for the app. */
export interface SignInRefused {
  readonly error: AuthorizationError
  /** ASCII without quotes and backslashes (RFC 6749 §4.1.2.1). */
  readonly description: string
}

/** Reads the parameters of RFC 6749 §4.1.1, RFC 7636 §4.3 and OpenID Connect Core §3.1.2.1. */
function parseAsk(parameters: Parameters, redirectUri: string): SignInAsk | SignInRefused {
  const invalid = (description: string): SignInRefused => ({ error: 'invalid_request', description })
  if (parameters.firstRepeated() !== undefined) return invalid('A parameter was sent more than once')
  if (parameters.get('request') !== undefined)
    return { error: 'request_not_supported', description: 'request is not supported' }
  if (parameters.get('request_uri') !== undefined)
    return { error: 'request_uri_not_supported', description: 'request_uri is not supported' }
  const responseType = parameters.get('response_type')
  if (responseType === undefined) return invalid('response_type is missing')
  if (responseType !== 'code')
    return { error: 'unsupported_response_type', description: 'response_type must be code' }
  if ((parameters.get('response_mode') ?? 'query') !== 'query') return invalid('response_mode must be query')

  const codeChallenge = parameters.get('code_challenge')
  if (codeChallenge === undefined) return invalid('code_challenge is missing: PKCE is required')
  // Absent means plain (RFC 7636 §4.3), which shows the verifier to whoever sees this request.
  if (parameters.get('code_challenge_method') !== 'S256') return invalid('code_challenge_method must be S256')
  if (!isCodeChallenge(codeChallenge)) return invalid('code_challenge is not that of S256')

  const [state, nonce] = [parameters.get('state'), parameters.get('nonce')]
  for (const [name, value] of Object.entries({ state, nonce }))
    if (value !== undefined && value.length > maxTextLength) return invalid(`${name} is too long`)
  const prompt = parameters.get('prompt')
  if (prompt === 'none')
    return { error: 'interaction_required', description: 'Nobody is signed in without being asked' }
  if (
    prompt !== undefined &&
    !/^(?:login|consent|select_account)(?: (?:login|consent|select_account))*$/.test(prompt)
  )
    return invalid('prompt is not one that OpenID Connect defines')
  // Its answer would have to say when the person last proved themselves, which providers don't all tell.
  if (parameters.get('max_age') !== undefined) return invalid('max_age is not supported')
  const scopes = knownScopes(parameters.get('scope'))
  if (!scopes.includes('openid')) return { error: 'invalid_scope', description: 'scope must include openid' }
  return {
    gateway: {
      redirectUri,
      codeChallenge,
      scopes,
      ...(state === undefined ? {} : { state }),
      ...(nonce === undefined ? {} : { nonce }),
    },
    prompt,
  }
}
