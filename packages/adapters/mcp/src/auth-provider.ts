import {
  type Client,
  ConnectError,
  type ConnectOptions,
  type ConnectTokenParams,
  getTokenResponse,
  isConnectError,
  startAuthorization,
} from '@valetkey/sdk'
import {
  type ConnectAuthProvider,
  type ConnectOAuthTokens,
  createProvider,
  nowhere,
} from './oauth-client-provider.ts'
import { type ConsentOptions, toConsentRequired } from './to-consent-required.ts'

/** What both ways to connect a transport have in common. */
export interface ConnectMcpOptions
  extends Pick<ConnectOptions, 'identityToken' | 'vercelToken' | 'timeoutMs'>,
    Pick<ConsentOptions, 'binding' | 'deviceCode' | 'onConsentRequired' | 'webhook'> {
  /** Where the browser goes after the consent, with `?request=…&code=…`: `callbackUrl` of `startAuthorization`. */
  readonly redirectUrl?: string | undefined
}

/** Options of {@link connectAuthProvider}. */
export interface ConnectAuthProviderOptions extends ConnectMcpOptions {
  /** What `createClient` returns. Default: the functions of `@valetkey/sdk`. */
  readonly client?: Pick<Client, 'getTokenResponse' | 'startAuthorization'> | undefined
  /**
   * When a missing consent is raised. `'transport'`: after the server has answered a request without a token with 401.
   * `'eager'`: before anything is sent; for Streamable HTTP only. The clients' SSE transports get their token inside
   * the `fetch` of an EventSource, which takes whatever is thrown there for a lost connection: the challenge is lost, and
   * each reconnection starts another consent, without end. Default `'transport'`.
   */
  readonly consent?: 'transport' | 'eager' | undefined
}

/** What there was for the request that failed. */
export type Held = { readonly token: string } | { readonly refusal: ConnectError } | undefined

/**
 * Returns an `OAuthClientProvider` whose tokens come from an issuing point: for transports of
 * `@modelcontextprotocol/sdk`, `@modelcontextprotocol/client` and `@ai-sdk/mcp`. Prefer `connectTransport` where a
 * transport takes a `fetch` too: clients cannot repeat a request with another token through this interface.
 *
 * Nothing is registered, refreshed or stored here, and no address is asked that the server names. After a 401 the token
 * that was last handed out is reported as rejected; of requests that run side by side it may be another's.
 *
 * Its methods throw `ConsentRequiredError` where the user's consent is missing, and `ConnectError`: what `getToken` throws,
 * and `provider_error`, retryable, where a fresh token is there and the call only has to be made again.
 */
export function connectAuthProvider(
  connector: string,
  params: ConnectTokenParams,
  options: ConnectAuthProviderOptions = {},
): ConnectAuthProvider {
  const { client = { getTokenResponse, startAuthorization }, consent = 'transport' } = options
  const call = callOptions(options)
  let held: Held
  let failed: Held
  let isDealing = false

  async function tokens(): Promise<ConnectOAuthTokens | undefined> {
    try {
      const { token, expiresAt } = await client.getTokenResponse(connector, params, call)
      // A client that deals with a 401 asks once more on the way, and sends nothing with the answer.
      if (!isDealing) held = { token }
      isDealing = false
      const expiresIn = Math.max(0, Math.floor((expiresAt - Date.now()) / 1000))
      return { access_token: token, token_type: 'Bearer', expires_in: expiresIn, issuer: nowhere }
    } catch (error) {
      if (!isConnectError(error) || error.code !== 'user_authorization_required') throw error
      held = { refusal: error }
      if (consent === 'eager')
        throw await toConsentRequired(error, connector, params, consentOptions(options, client))
      return undefined
    }
  }

  return createProvider({
    redirectUrl: options.redirectUrl,
    tokens,
    remember() {
      failed = held
      isDealing = true
    },
    refuse() {
      isDealing = false
      return refuseAfter(failed, connector, params, { ...options, client })
    },
  })
}

/**
 * Throws what the caller is to know after a 401: that consent is missing; or, once the rejected token is reported and
 * another is there, that the call can be made again.
 */
export async function refuseAfter(
  failed: Held | (() => Promise<Held>),
  connector: string,
  params: ConnectTokenParams,
  options: ConnectMcpOptions & { readonly client: Pick<Client, 'getTokenResponse' | 'startAuthorization'> },
): Promise<never> {
  const { client } = options
  try {
    const call = callOptions(options)
    const held = typeof failed === 'function' ? await failed() : failed
    if (held !== undefined && 'refusal' in held) throw held.refusal
    await client.getTokenResponse(
      connector,
      params,
      held === undefined ? call : { ...call, rejectedToken: held.token },
    )
  } catch (error) {
    throw await toConsentRequired(error, connector, params, consentOptions(options, client))
  }
  throw new ConnectError('The MCP server rejected a token. Another is ready: call again', {
    code: 'provider_error',
    retryable: true,
    connector,
  })
}

/** The options of a call for a token. */
export function callOptions({ identityToken, vercelToken, timeoutMs }: ConnectMcpOptions): ConnectOptions {
  return {
    ...(identityToken === undefined ? {} : { identityToken }),
    ...(vercelToken === undefined ? {} : { vercelToken }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
}

function consentOptions(
  options: ConnectMcpOptions,
  client: Pick<Client, 'startAuthorization'>,
): ConsentOptions {
  const { redirectUrl, binding, deviceCode, onConsentRequired, webhook } = options
  return {
    ...callOptions(options),
    client,
    callbackUrl: redirectUrl,
    binding,
    deviceCode,
    webhook,
    onConsentRequired,
  }
}
