import { callIssuingPoint } from '../calls/call-issuing-point.ts'
import { createContext } from '../client/create-context.ts'
import { type ReadEnvironment, readProcessEnvironment } from '../client/environment.ts'
import { readFields } from '../consent/read-fields.ts'
import { invalidRequest } from '../errors/connect-error.ts'
import type { IssuingPointCall } from '../issuing-point/issuing-point.ts'
import { parseIssuingPointUrl } from '../issuing-point/parse-issuing-point-url.ts'
import { type CheckedOptions, checkCallOptions } from '../request/call-options.ts'
import { checkFunction, optional } from '../request/check-values.ts'
import { checkConnector } from '../request/token-request.ts'
import { askGateway, gatewayRefusal } from './ask-gateway.ts'
import { endpointsOf } from './endpoints.ts'
import { checkCallback, redeemCode } from './redeem-code.ts'
import type { SignIn, SignInOptions } from './types.ts'

/**
 * Returns the gateway by which `connector` signs people in, with this workload as its client. Does no I/O, and keeps
 * nothing between requests.
 *
 * It is that of the issuing point that is configured now: `VALETKEY_URL` is read here, identities are looked for at
 * each request.
 *
 * @throws {ConnectError} `issuing_point_missing`, or `invalid_request` for an unknown or malformed option.
 * @see docs/sign-in.md
 */
export function createSignIn(connector: string, options: SignInOptions = {}): SignIn {
  return createSignInIn(readProcessEnvironment, connector, options)
}

const names = ['url', 'identityToken', 'vercelToken', 'fetch', 'timeoutMs'] as const

export function createSignInIn(read: ReadEnvironment, connector: string, options: SignInOptions): SignIn {
  const clientId = checkConnector(connector)
  const { url, fetch, ...ofCall } = readFields(options, 'options', names)
  const call = checkCallOptions(ofCall)
  const context = createContext(
    {
      url: optional(url, parseIssuingPointUrl, 'url')?.base,
      fetch: optional(fetch, checkFunction<typeof globalThis.fetch>, 'fetch'),
    },
    read,
  )
  const { id } = context.destination()
  const endpoints = endpointsOf(context.destination())

  /** Calls `send` with an identity obtained for it. */
  async function asClient<Result>(
    each: CheckedOptions,
    send: (call: IssuingPointCall) => Promise<Result>,
  ): Promise<Result> {
    // What the environment shows by now is meant for where it points by now.
    if (context.destination().id !== id)
      throw invalidRequest('VALETKEY_URL has changed since the sign-in was set up', clientId)
    return callIssuingPoint(context, clientId, each, (_destination, issuingPointCall) =>
      send(issuingPointCall),
    )
  }

  async function authenticatedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = input instanceof Request ? input : undefined
    const target = new URL(request?.url ?? String(input)).href
    if (target !== endpoints.tokenUrl && target !== endpoints.revocationUrl) return context.fetch(input, init)
    const sent = request === undefined ? init : await initOf(request, init)
    const answer = await asClient({ ...call, signal: sent?.signal ?? undefined }, async (client) => {
      const got = await askGateway(clientId, target, sent ?? {}, client)
      // Clients of OAuth say of a 401 that it is one, and not what the gateway said about it.
      if (got.status === 401) throw gatewayRefusal(got, [client.credential])
      return got
    })
    const { status, statusText, text } = answer
    const headers = new Headers(answer.headers)
    // They told of the body as it was sent.
    for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name)
    return new Response(text === '' ? null : text, { status, statusText, headers })
  }

  return {
    clientId,
    ...endpoints,
    fetch: authenticatedFetch,
    async redeem(callback) {
      const checked = checkCallback(callback)
      return asClient(call, (client) => redeemCode(clientId, endpoints, checked, client))
    },
  }
}

/** A request as `fetch` would send it, in parts. */
async function initOf(request: Request, init: RequestInit | undefined): Promise<RequestInit> {
  const whole = new Request(request, init)
  const body = await whole.text()
  return {
    method: whole.method,
    headers: whole.headers,
    signal: whole.signal,
    ...(body === '' ? undefined : { body }),
  }
}
