import * as client from 'openid-client'
import { z } from 'zod'
import type { ConsentFinished, ConsentRefused, ConsentStart, ConsentStarted } from '../../consent.ts'
import type { JsonObject, MintRefusal, ProviderAccess } from '../../driver.ts'
import { quoted, refused } from '../../refusal.ts'
import { configure, type OAuthConnection, type OAuthServer } from './connection.ts'
import { credentialOf } from './credential.ts'
import { asFault, codeOf, type Exchanged, exchange, plainFetch, spoken } from './exchange.ts'
import { identityOf } from './identity.ts'
import { ownParameterIn } from './own-parameters.ts'

const pendingShape = z.union([
  z.object({ verifier: z.string().min(43), nonce: z.string().optional() }),
  // GitHub's installation page sends a code for a request that could hold no challenge.
  z.strictObject({ withoutChallenge: z.literal(true) }),
])

/** Where the browser goes to consent: always with PKCE S256, pushed first (RFC 9126) where the server takes that. */
export async function startConsent(
  connection: OAuthConnection,
  start: ConsentStart,
  access: ProviderAccess,
): Promise<ConsentStarted | MintRefusal> {
  const { provider, quirks, server } = connection
  if (server.authorizationEndpoint === undefined)
    return refused('invalid_request', `${provider} has no authorization endpoint: nobody can consent there`)
  const own = ownParameterIn(start.additionalParams, quirks)
  if (own !== undefined)
    return refused('invalid_request', `additionalParams must not hold ${quoted(own)}: it is OAuth's own`)
  const scopes = scopesOf(connection, start)
  const verifier = client.randomPKCECodeVerifier()
  const nonce = expectsIdToken(connection, scopes) ? client.randomNonce() : undefined
  const parameters = new URLSearchParams({
    ...connection.authorizationUrlParams,
    ...start.additionalParams,
    redirect_uri: start.redirectUri,
    state: start.state,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...(nonce === undefined ? {} : { nonce }),
    ...(start.prompt === undefined ? {} : { prompt: start.prompt }),
    ...(scopes.length === 0 ? {} : { [quirks.scopeParameter]: scopes.join(quirks.scopeSeparator) }),
    ...detailsParameter(start.authorizationDetails),
  })
  appendTargets(parameters, connection, start)
  const url = await authorizationUrl(connection, access, parameters)
  if (typeof url !== 'string') return url
  return { url, pending: { verifier, ...(nonce === undefined ? {} : { nonce }) } }
}

/** Redeems what came back, after everything in the callback itself has been checked. @throws {ProviderFault} */
export async function finishConsent(
  connection: OAuthConnection,
  callback: { readonly url: URL; readonly start: ConsentStart; readonly pending: JsonObject },
  access: ProviderAccess,
): Promise<ConsentFinished | ConsentRefused> {
  const redeemed = await redeem(connection, callback, access)
  if (redeemed.outcome === 'refused') return redeemed
  const { start } = callback
  const asked = { ...start, scopes: scopesOf(connection, start) }
  const credential = credentialOf(connection, redeemed, asked, access.now())
  return {
    outcome: 'granted',
    credential,
    identity: await identityOf(connection, redeemed, start.signIn === true, access),
  }
}

/** The first half of {@link finishConsent}: the code for tokens. */
export async function redeem(
  connection: OAuthConnection,
  callback: { readonly url: URL; readonly start: ConsentStart; readonly pending: JsonObject },
  access: ProviderAccess,
): Promise<Extract<Exchanged, { outcome: 'answered' }> | ConsentRefused> {
  const { start, url } = callback
  const problem = problemOf(connection, url.searchParams, start.state)
  if (problem !== undefined) return problem
  const pending = pendingShape.parse(callback.pending)
  const { verifier, nonce } = 'verifier' in pending ? pending : {}
  const idToken = expectsIdToken(connection, scopesOf(connection, start))
  if (idToken && nonce === undefined)
    return denied('provider_refused', 'The consent was started without a nonce')
  const parameters = new URLSearchParams()
  appendTargets(parameters, connection, start)
  const result = await exchange(
    connection,
    access,
    (config) =>
      client.authorizationCodeGrant(
        config,
        callbackUrl(connection, callback),
        {
          ...(verifier === undefined ? {} : { pkceCodeVerifier: verifier }),
          expectedState: start.state,
          ...(idToken && nonce !== undefined ? { expectedNonce: nonce, idTokenExpected: true } : {}),
        },
        parameters,
      ),
    { idToken },
  )
  if (result.outcome === 'answered') return result
  return denied(
    'provider_refused',
    result.code === 'invalid_id_token'
      ? `${connection.provider} gave an ID token that is not for this consent`
      : `${connection.provider} did not accept the answer of the browser${spoken(result.code)}`,
  )
}

/** What is asked for: what the caller says, and who the person is where the broker will vouch for that. */
export function scopesOf(connection: OAuthConnection, start: ConsentStart): readonly string[] {
  const { quirks, refreshTokens, server } = connection
  const identity = start.signIn === true && server.issuer !== undefined ? identityScopes(server) : []
  const offline = refreshTokens && quirks.offlineScope !== undefined ? [quirks.offlineScope] : []
  return [...new Set([...identity, ...start.scopes, ...offline])]
}

/** Who the person is, with a name and an address. A strict server refuses a scope that it does not know. */
function identityScopes({ scopesSupported }: OAuthServer): readonly string[] {
  const known = (scope: string) => scopesSupported === undefined || scopesSupported.includes(scope)
  return ['openid', ...['profile', 'email'].filter(known)]
}

function expectsIdToken(connection: OAuthConnection, scopes: readonly string[]): boolean {
  return connection.server.issuer !== undefined && scopes.includes('openid')
}

/** Why a callback is worth nothing, before anything in it is sent anywhere. */
function problemOf(
  { provider, server }: OAuthConnection,
  params: URLSearchParams,
  state: string,
): ConsentRefused | undefined {
  const no = (message: string) => denied('provider_refused', message)
  for (const name of ['code', 'error', 'iss', 'state'])
    if (params.getAll(name).length > 1) return no(`The answer of ${provider} names ${name} twice`)
  const [code, error, iss] = [params.get('code'), params.get('error'), params.get('iss')]
  if (params.get('state') !== state) return no('The answer belongs to another consent')
  // RFC 9207: byte for byte, and before the code is sent to anybody. Where no issuer is known there is nothing to
  // compare; the redirect URI of its own that each connector has then keeps the codes of others out.
  if (iss === null && server.authorizationResponseIssParameterSupported === true)
    return no(`The answer does not say that it comes from ${provider}`)
  if (iss !== null && server.issuer !== undefined && iss !== server.issuer)
    return no(`The answer does not come from ${provider}`)
  if (code !== null && error !== null) return no(`${provider} answered with both an error and a code`)
  if (error === 'access_denied') return denied('denied', 'The person said no')
  if (error !== null) return no(`${provider} did not go through with the consent`)
  if (code === null || code === '') return no(`The answer of ${provider} holds no code`)
  return undefined
}

/** What openid-client reads: the registered address, whatever address a proxy made of it, with the code. */
function callbackUrl({ server }: OAuthConnection, callback: { url: URL; start: ConsentStart }): URL {
  const url = new URL(callback.start.redirectUri)
  for (const name of ['code', 'state', ...(server.issuer === undefined ? [] : ['iss'])]) {
    const value = callback.url.searchParams.get(name)
    if (value !== null) url.searchParams.set(name, value)
  }
  return url
}

async function authorizationUrl(
  connection: OAuthConnection,
  access: ProviderAccess,
  parameters: URLSearchParams,
): Promise<string | MintRefusal> {
  const config = await configure(connection, access, plainFetch(connection, access))
  if (connection.server.pushedAuthorizationRequestEndpoint === undefined)
    return client.buildAuthorizationUrl(config, parameters).href
  try {
    return (await client.buildAuthorizationUrlWithPAR(config, parameters)).href
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw asFault(connection, error)
    const reason = code === 'invalid_scope' || code === 'invalid_target' ? 'above_grant' : 'provider_refused'
    return refused(reason, `${connection.provider} did not accept the request for consent${spoken(code)}`)
  }
}

/** `resource` (RFC 8707) and `audience`, the same in both legs: strict servers refuse what differs. */
export function appendTargets(
  parameters: URLSearchParams,
  connection: OAuthConnection,
  asked: { readonly resources: readonly string[]; readonly audience: readonly string[] },
): void {
  for (const resource of asked.resources) parameters.append('resource', resource)
  const audience =
    asked.audience.length === 0 && connection.defaultAudience !== undefined
      ? [connection.defaultAudience]
      : asked.audience
  for (const each of audience) parameters.append('audience', each)
}

/** `authorization_details` (RFC 9396), when there are any. */
export function detailsParameter(details: readonly JsonObject[]): Readonly<Record<string, string>> {
  return details.length === 0 ? {} : { authorization_details: JSON.stringify(details) }
}

/** A consent that came to nothing. */
export function denied(reason: ConsentRefused['reason'], message: string): ConsentRefused {
  return { outcome: 'refused', reason, message }
}
