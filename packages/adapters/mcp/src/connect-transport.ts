import {
  type Client,
  ConnectError,
  type ConnectTokenParams,
  createFetch,
  getTokenResponse,
  isConnectError,
  startAuthorization,
} from '@valetkey/sdk'
import { type ConnectMcpOptions, callOptions, refuseAfter } from './auth-provider.ts'
import { type ConnectAuthProvider, createProvider } from './oauth-client-provider.ts'

/** Options of {@link connectTransport}. */
export interface ConnectTransportOptions extends ConnectMcpOptions {
  /** What `createClient` returns. Default: the functions of `@valetkey/sdk`. */
  readonly client?: Pick<Client, 'createFetch' | 'getTokenResponse' | 'startAuthorization'> | undefined
}

/** To be spread into the options of a transport. */
export interface ConnectedTransport {
  readonly authProvider: ConnectAuthProvider
  readonly fetch: typeof globalThis.fetch
}

/** Why the last request was not answered: no token could be had, or the server refused one. */
type Refusal = { readonly error: ConnectError } | { readonly status: 401 | 403 }

/**
 * Returns `authProvider` and `fetch` for a transport to the MCP server at `url`, of `@modelcontextprotocol/sdk`,
 * `@modelcontextprotocol/client` or `@ai-sdk/mcp`: Streamable HTTP or SSE.
 *
 * Each request carries a token of `connector`. One that the server rejects is reported and the request repeated once with
 * another. Requests go to the origin of `url` alone, where the token is sent too, and none of them is discovery: what
 * the server names for that is not asked. Where a token cannot be had nothing is sent at all.
 *
 * Calls of the client throw `ConsentRequiredError` where the user's consent is missing, and `ConnectError`: what
 * `getToken` throws, and `provider_refused` where the server wants more scopes than `params` ask for.
 */
export function connectTransport(
  url: string | URL,
  connector: string,
  params: ConnectTokenParams,
  options: ConnectTransportOptions = {},
): ConnectedTransport {
  const { client = { createFetch, getTokenResponse, startAuthorization } } = options
  const { origin } = new URL(url)
  const send = client.createFetch(connector, params, { ...callOptions(options), allowOrigins: [origin] })
  let refusal: Refusal | undefined
  let hasStreamed = false

  async function refuse(): Promise<never> {
    if (refusal === undefined)
      throw new ConnectError('The transport was not given the `fetch` that belongs to its `authProvider`', {
        code: 'invalid_request',
        connector,
      })
    if ('error' in refusal)
      return refuseAfter({ refusal: refusal.error }, connector, params, { ...options, client })
    if (refusal.status === 403)
      throw new ConnectError('The MCP server wants more scopes than were asked for', {
        code: 'provider_refused',
        status: 403,
        connector,
      })
    // Another has already been tried in the place of the first, so the SDK knows this one to be on trial.
    const held = () => client.getTokenResponse(connector, params, callOptions(options))
    return refuseAfter(held, connector, params, { ...options, client })
  }

  return {
    // No token from here: `fetch` adds it, and thereby knows which one was rejected.
    authProvider: createProvider({
      redirectUrl: options.redirectUrl,
      tokens: () => Promise.resolve(undefined),
      remember() {},
      refuse,
    }),
    async fetch(input, init) {
      if (!isForServer(input, init, origin)) return new Response(null, { status: 404 })
      const isStream = methodOf(input, init) === 'GET'
      try {
        const response = await send(input, init)
        if (isStream && response.ok) hasStreamed = true
        // Clients ask about no other 403.
        if (
          response.status === 403 &&
          response.headers.get('www-authenticate')?.includes('insufficient_scope')
        )
          refusal = { status: 403 }
        if (response.status !== 401) return response
        refusal = { status: 401 }
        await response.body?.cancel()
      } catch (error) {
        if (!isConnectError(error) || error.code === 'aborted') throw error
        // A stream that was open is opened again after an error, and never again after a 401.
        if (isStream && hasStreamed && error.retryable) throw error
        refusal = { error }
      }
      // Thrown here, it would be lost in an EventSource; answered so, every client asks `authProvider`, which throws it.
      // Without the server's `WWW-Authenticate`: what it names is not to be asked.
      return new Response(null, { status: 401 })
    },
  }
}

/** True for what MCP sends to its server; discovery asks by GET, for JSON. */
function isForServer(...[input, init, origin]: [...Parameters<typeof fetch>, origin: string]): boolean {
  // By its shape: a Request may be of another implementation.
  const request = typeof input === 'object' && 'method' in input ? input : undefined
  const asked = new URL(request?.url ?? String(input))
  if (asked.origin !== origin || asked.pathname.startsWith('/.well-known/')) return false
  const headers = new Headers(init?.headers ?? request?.headers)
  return methodOf(input, init) !== 'GET' || headers.get('accept')?.includes('text/event-stream') === true
}

function methodOf(...[input, init]: Parameters<typeof fetch>): string {
  const ofRequest = typeof input === 'object' && 'method' in input ? input.method : undefined
  return (init?.method ?? ofRequest ?? 'GET').toUpperCase()
}
