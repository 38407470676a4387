import type { TokenRequest } from '@valetkey/protocol'
import {
  allowInsecureRequests,
  Configuration,
  type CustomFetchOptions,
  customFetch,
  genericGrantRequest,
  type TokenEndpointResponse,
} from 'openid-client'
import { invalidRequest } from '../errors/connect-error.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import { send } from '../http/send.ts'
import type { IssuingPointCall } from '../issuing-point/issuing-point.ts'
import type { CheckedConfig } from './check-config.ts'
import type { ExchangeServer } from './discover-server.ts'
import { asExchangeError } from './exchange-fault.ts'
import { refusalOf } from './refusal.ts'
import { tokenExchangeGrant } from './request-parameters.ts'

/** What the server answered, and when it was asked for it: `expires_in` counts from there. */
export interface ServerAnswer {
  readonly answer: TokenEndpointResponse
  readonly sentAtMs: number
}

/**
 * Sends one exchange, again after faults that pass, and returns the answer once it is what RFC 6749 §5.1 describes.
 *
 * @throws {ConnectError} for a refusal; `invalid_response` for a redirect, a huge body or something else than an answer.
 */
export async function askServer(
  { client, now }: CheckedConfig,
  server: ExchangeServer,
  form: URLSearchParams,
  request: TokenRequest,
  call: IssuingPointCall,
): Promise<ServerAnswer> {
  let sentAtMs = now()
  // Authenticated below, with every attempt: a client assertion is good for one.
  const configuration = new Configuration(server, client.id, undefined, () => {})
  if (server.token_endpoint.startsWith('http:')) allowInsecureRequests(configuration)

  async function authenticated(options: CustomFetchOptions): Promise<{ headers: Headers; body: string }> {
    const headers = new Headers({ ...call.traceHeaders, ...options.headers })
    const body = new URLSearchParams(String(options.body))
    await client.authenticate(server, { client_id: client.id }, body, headers)
    return { headers, body: body.toString() }
  }

  configuration[customFetch] = async (url, options) => {
    let first: Awaited<ReturnType<typeof authenticated>> | undefined = await authenticated(options).catch(
      () => {
        throw invalidRequest('config.clientKey cannot sign an assertion')
      },
    )
    const attempt: typeof globalThis.fetch = async (target, init) => {
      const { headers, body } = first ?? (await authenticated(options))
      first = undefined
      sentAtMs = now()
      return call.fetch(target, { ...init, headers: Object.fromEntries(headers), body })
    }
    const answer = await send({ ...call, fetch: attempt }, { url, method: 'POST' })
    if (answer.status !== 200) throw refusalOf(answer, request)
    return new Response(withoutOtherTokens(answer.text), { headers: { 'content-type': 'application/json' } })
  }
  try {
    return { answer: await genericGrantRequest(configuration, tokenExchangeGrant, form), sentAtMs }
  } catch (error) {
    throw asExchangeError(error, 'The token endpoint answered with something else than a token')
  }
}

/** Nobody asked for an ID token or a refresh token: they are neither checked nor kept. */
function withoutOtherTokens(text: string): string {
  const { id_token: _, refresh_token: __, ...answer } = parseJsonObject(text) ?? {}
  return JSON.stringify(answer)
}
