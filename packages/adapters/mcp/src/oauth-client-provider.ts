/** A token as MCP clients take it (RFC 6749 section 5.1). Without a refresh token: the issuing point keeps that. */
export interface ConnectOAuthTokens {
  access_token: string
  token_type: string
  /** Seconds. */
  expires_in?: number
  /** Of the fixed discovery state: clients use no token that another issuer is said to have issued. */
  issuer?: string
}

/** What an MCP client would have discovered at the server. */
export interface ConnectDiscoveryState {
  authorizationServerUrl: string
  authorizationServerMetadata: {
    issuer: string
    authorization_endpoint: string
    token_endpoint: string
    response_types_supported: string[]
  }
  resourceMetadata: { resource: string }
}

/**
 * What `OAuthClientProvider` of `@modelcontextprotocol/sdk`, `@modelcontextprotocol/client` and `@ai-sdk/mcp` have in
 * common, and the hooks of each by which no address that a server names is ever asked.
 */
export interface ConnectAuthProvider {
  readonly redirectUrl: string
  readonly clientMetadata: { redirect_uris: string[] }
  tokens(): Promise<ConnectOAuthTokens | undefined>
  clientInformation(): { client_id: string; issuer: string }
  redirectToAuthorization(authorizationUrl: URL): Promise<void>
  /** Complete, so that the first two clients discover nothing. */
  discoveryState(): ConnectDiscoveryState
  /** Called by `@ai-sdk/mcp` before it asks an authorization server for its metadata. Throws. */
  validateAuthorizationServerURL(serverUrl: string | URL, authorizationServerUrl: string | URL): Promise<void>
  validateResourceURL(serverUrl: string | URL, resource?: string): Promise<URL | undefined>
  saveTokens(): void
  saveCodeVerifier(): void
  codeVerifier(): string
}

/** What differs between providers. */
export interface ProviderBehaviour {
  readonly redirectUrl: string | undefined
  readonly tokens: () => Promise<ConnectOAuthTokens | undefined>
  /** Called when a client begins to deal with a 401, before it asks for `tokens` again. */
  readonly remember: () => void
  /** Called when a client has dealt with it as far as it can: throws what the caller is to know. */
  readonly refuse: () => Promise<never>
}

// A name that never resolves (RFC 6761 section 6.4): nothing is ever sent there, whatever a client does with it.
export const nowhere = 'https://valetkey.invalid'

/** A provider without registration, PKCE, state and storage: the issuing point does all of that. */
export function createProvider(behaviour: ProviderBehaviour): ConnectAuthProvider {
  const { tokens, remember, refuse } = behaviour
  // Never empty: without one, clients ask for client credentials instead of calling `redirectToAuthorization`.
  const redirectUrl = behaviour.redirectUrl ?? `${nowhere}/callback`
  return {
    redirectUrl,
    clientMetadata: { redirect_uris: [redirectUrl] },
    tokens,
    clientInformation() {
      remember()
      return { client_id: 'valetkey', issuer: nowhere }
    },
    redirectToAuthorization: refuse,
    discoveryState: () => ({
      authorizationServerUrl: nowhere,
      authorizationServerMetadata: {
        issuer: nowhere,
        authorization_endpoint: `${nowhere}/authorize`,
        token_endpoint: `${nowhere}/token`,
        response_types_supported: ['code'],
      },
      resourceMetadata: { resource: nowhere },
    }),
    async validateAuthorizationServerURL() {
      // The first that `@ai-sdk/mcp` calls, so there is nothing in between to remember over.
      remember()
      await refuse()
    },
    validateResourceURL: () => Promise.resolve(undefined),
    saveTokens() {},
    saveCodeVerifier() {},
    codeVerifier() {
      throw new TypeError('The consent is completed by completeAuthorization, not by the MCP client')
    },
  }
}
