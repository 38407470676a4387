import type { TokenResponse } from '@valetkey/protocol'
import { getTokenResponseIn } from '../calls/get-token.ts'
import { type Context, defaultContext } from '../client/context.ts'
import { invalidResponse } from '../errors/connect-error.ts'
import { isWithoutOther } from '../exchange/replace-rejected.ts'
import { checkCallOptions } from '../request/call-options.ts'
import { checkObject, mustBe } from '../request/check-values.ts'
import { paramsOnWire } from '../request/on-wire.ts'
import { checkTokenRequest } from '../request/token-request.ts'
import type { ConnectOptions, ConnectTokenParams } from '../request/types.ts'
import { followRedirects, type Hop } from './follow-redirects.ts'
import { type Outgoing, readOutgoing } from './outgoing.ts'
import { checkOrigins, originsOf } from './token-origins.ts'

/** Options of {@link createFetch}: those of every call, for the tokens it asks for, and where these may go. */
export interface CreateFetchOptions extends Omit<ConnectOptions, 'rejectedToken'> {
  /** Origins that may be sent the token besides the connector's own, such as `https://uploads.example`. Exact. */
  readonly allowOrigins?: readonly string[] | undefined
}

/**
 * Returns a `fetch` that calls an API with tokens of `connector`: one is asked for with each request, and mostly cached.
 *
 * - The token goes, as `Authorization: Bearer`, to the connector's own origins alone. They come with it. A request to
 *   another origin is sent without it, and a redirect to one drops it for good (RFC 9110 section 15.4).
 * - After a 401 the token is reported, and the request repeated once with another. So is its body if it can be: text,
 *   bytes, forms, and what a `Request` holds, up to 1 MiB; a stream can't. A second 401 is the answer.
 * - Redirects are followed here, whatever the runtime does with credentials: 20 at most. `redirect` is honoured.
 *
 * A request's own signal ends the wait for its token, too.
 *
 * @throws {ConnectError} here, `invalid_request` for arguments that `getToken` would not take; from the `fetch`, what
 *   `getToken` throws, and `invalid_request` when nobody says where the token may go: neither the issuing point nor
 *   `allowOrigins`.
 */
export function createFetch(
  connector: string,
  params: ConnectTokenParams,
  options?: CreateFetchOptions,
): typeof globalThis.fetch {
  return createFetchIn(defaultContext(), connector, params, options)
}

export function createFetchIn(
  context: Context,
  connector: string,
  params: ConnectTokenParams,
  options: CreateFetchOptions = {},
): typeof globalThis.fetch {
  const { allowOrigins, ...call } = checkObject(options, 'options') as CreateFetchOptions
  const added = checkOrigins(allowOrigins)
  if ('rejectedToken' in call) throw mustBe('options.rejectedToken', 'absent: a fetch reports by itself')
  checkCallOptions(call)
  const request = checkTokenRequest(connector, params)
  const copy: ConnectTokenParams = { ...paramsOnWire(request), validityBufferMs: request.validityBufferMs }

  function tokenFor({ signal }: Outgoing, rejectedToken?: string): Promise<TokenResponse> {
    const signals = [call.signal, signal].filter((one) => one !== undefined)
    return getTokenResponseIn(context, connector, copy, {
      ...call,
      signal: signals.length > 1 ? AbortSignal.any(signals) : signals[0],
      rejectedToken,
    })
  }

  async function send(outgoing: Outgoing, held: TokenResponse): Promise<Hop> {
    // Where a header can't hold it, runtimes throw an error that quotes it.
    if (!/^[\x21-\x7e]+$/.test(held.token))
      throw invalidResponse('The issuing point gave a token that no header can hold')
    return followRedirects(context.fetch, outgoing, { token: held.token, origins: originsOf(held, added) })
  }

  return async (input, init) => {
    const outgoing = await readOutgoing(input, init)
    const held = await tokenFor(outgoing)
    const first = await send(outgoing, held)
    if (first.response.status !== 401 || !first.carriedToken) return first.response
    const other = await tokenFor(outgoing, held.token).catch((error: unknown) => {
      // The issuing point has no better one, so the answer stands.
      if (isWithoutOther(error)) return undefined
      discard(first.response)
      throw error
    })
    if (other === undefined || !outgoing.body.isReplayable) return first.response
    discard(first.response)
    return (await send(outgoing, other)).response
  }
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => {})
}
