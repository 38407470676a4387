import * as client from 'openid-client'
import type { RotatedTokens } from '../../consent.ts'
import { InvalidSettings, type JsonObject, type ProviderAccess, ProviderFault } from '../../driver.ts'
import { callRaw, type RawAnswer, unexpectedAnswer } from '../../http.ts'
import { errorIn, findRotated, readBody, standardForm } from './answer.ts'
import { type ClientFetch, configure, type OAuthConnection } from './connection.ts'

/** What a token endpoint said. */
export type Exchanged =
  | {
      readonly outcome: 'answered'
      /** In the form of RFC 6749, checked by openid-client. */
      readonly tokens: client.TokenEndpointResponse
      /** The provider's own answer, unknown until parsed. */
      readonly body: JsonObject
      readonly claims: client.IDToken | undefined
    }
  /** A definite no: a code of RFC 6749 or its kin, never the provider's words. */
  | { readonly outcome: 'refused'; readonly code: string }

type Answer = client.TokenEndpointResponse & client.TokenEndpointResponseHelpers

/** What is special about one exchange. */
export interface ExchangeOptions {
  /** Awaited with a refresh token in the answer before anything of the answer is judged. */
  readonly keep?: (rotated: RotatedTokens) => Promise<void>
  /** An ID token is expected. */
  readonly idToken?: boolean
}

const known: readonly string[] = [
  'access_denied',
  'consent_required',
  'insufficient_scope',
  'interaction_required',
  'invalid_authorization_details',
  'invalid_client',
  'invalid_grant',
  'invalid_id_token',
  'invalid_request',
  'invalid_scope',
  'invalid_target',
  'login_required',
  'unauthorized_client',
  'unsupported_grant_type',
]
const faults: readonly string[] = ['server_error', 'temporarily_unavailable', 'slow_down', 'rate_limited']

/**
 * Calls the token endpoint by one of openid-client's grants.
 *
 * @throws {ProviderFault} when it can't be reached or talks nonsense; the message holds nothing of what it said.
 */
export async function exchange(
  connection: OAuthConnection,
  access: ProviderAccess,
  grant: (config: client.Configuration) => Promise<Answer>,
  options: ExchangeOptions = {},
): Promise<Exchanged> {
  const { provider, quirks } = connection
  let failure: { readonly error: unknown } | undefined
  let refused: string | undefined
  let body: JsonObject = {}

  async function answerOf(call: Parameters<typeof callRaw>[1]): Promise<Response> {
    const raw = await callRaw(access, call)
    if (options.keep !== undefined && raw.status >= 200 && raw.status < 300) {
      const rotated = findRotated(raw.text, raw.headers.get('content-type'), quirks, access.now())
      if (rotated !== undefined) await options.keep(rotated)
    }
    if (raw.fault !== undefined) throw raw.fault
    const found = readBody(raw.text, raw.headers.get('content-type'))
    const code = refusalIn(connection, raw, found)
    if (code !== undefined) {
      refused = code
      return json(400, { error: code })
    }
    if (found === undefined || raw.status < 200 || raw.status >= 300)
      throw unexpectedAnswer(provider, raw.status)
    body = found
    const refresh = options.keep !== undefined
    return json(200, standardForm(found, quirks, { refresh, idToken: options.idToken === true }))
  }

  const fetch: ClientFetch = async (url, init) => {
    try {
      const { method, headers } = init
      if (method !== 'POST') throw new ProviderFault(`${provider} was about to be asked in an unexpected way`)
      return await answerOf({ provider, method, url, ...tokenRequest(connection, headers, init.body) })
    } catch (error) {
      // openid-client would wrap it, and what it wraps may quote an answer.
      failure = { error }
      throw error
    }
  }

  try {
    const tokens = await grant(await configure(connection, access, fetch))
    return { outcome: 'answered', tokens, body, claims: tokens.claims() }
  } catch (error) {
    if (failure !== undefined) throw failure.error
    if (refused !== undefined) return { outcome: 'refused', code: refused }
    if (isClaimFailure(error)) return { outcome: 'refused', code: 'invalid_id_token' }
    throw asFault(connection, error)
  }
}

/**
 * A `fetch` for openid-client's other calls: the same limits, and a 4xx as the library expects it.
 *
 * A fault comes out of the library wrapped: {@link asFault} unwraps it.
 */
export function plainFetch(connection: OAuthConnection, access: ProviderAccess): ClientFetch {
  return async (url, { method, headers, body }) => {
    const raw = await callRaw(access, {
      provider: connection.provider,
      method: method === 'POST' ? 'POST' : 'GET',
      url,
      headers,
      ...(body instanceof URLSearchParams ? { body: body.toString() } : {}),
    })
    if (raw.fault !== undefined) throw raw.fault
    const content = raw.headers.get('content-type') ?? 'text/plain'
    // 204 has no body, and the constructor insists on that.
    const empty = raw.text === '' || raw.status === 204 || raw.status === 205
    return new Response(empty ? null : raw.text, {
      status: raw.status,
      headers: { 'content-type': content },
    })
  }
}

/** What went wrong in one of the library's calls, in the driver's terms and without the library's quotations. */
export function asFault(connection: OAuthConnection, error: unknown): Error {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1)
    if (at instanceof ProviderFault || at instanceof InvalidSettings) return at
  return unexpectedAnswer(connection.provider, 200)
}

/** The standard code in an error of the library's, when the provider gave a definite one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof client.ResponseBodyError)) return undefined
  return known.includes(error.error) ? error.error : 'unknown'
}

/** A code, for a message. */
export function spoken(code: string): string {
  return known.includes(code) ? `: ${code}` : ''
}

function refusalIn(
  connection: OAuthConnection,
  raw: RawAnswer,
  body: JsonObject | undefined,
): string | undefined {
  const code = body === undefined ? undefined : errorIn(body, connection.quirks)
  if (code !== undefined && faults.includes(code))
    throw new ProviderFault(`${connection.provider} answered that it has a fault`, { status: raw.status })
  if (code !== undefined) return known.includes(code) ? code : 'unknown'
  // Without a word of why, only this status is a statement about the client.
  return raw.status === 401 ? 'invalid_client' : undefined
}

function tokenRequest(
  { quirks }: OAuthConnection,
  headers: Readonly<Record<string, string>>,
  body: unknown,
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const parameters = new URLSearchParams(body instanceof URLSearchParams ? body : undefined)
  for (const [name, value] of Object.entries(quirks.tokenRequestParams)) parameters.set(name, value)
  if (quirks.tokenRequestBody === 'form') return { headers, body: parameters.toString() }
  return {
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(parameters)),
  }
}

function json(status: number, body: JsonObject): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}

function isClaimFailure(error: unknown): boolean {
  const code = error instanceof client.ClientError ? error.code : undefined
  return code === 'OAUTH_JWT_CLAIM_COMPARISON_FAILED' || code === 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED'
}
