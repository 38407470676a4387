import type { TokenRequest, TokenResponse } from '@valetkey/protocol'

/** What of `@valetkey/sdk` the command uses, loaded only by commands that act as a workload. */
export interface ConnectSdk {
  createClient(config: { readonly url: string; readonly fetch?: typeof fetch }): ConnectClient
  isConnectError(error: unknown): boolean
}

/** A client of one issuing point. */
export interface ConnectClient {
  getTokenResponse(
    connector: string,
    params: TokenParams,
    options?: { readonly identityToken?: string; readonly timeoutMs?: number },
  ): Promise<TokenResponse>
}

/** The part of a token request that a command line can say. */
export type TokenParams = Pick<
  TokenRequest,
  'subject' | 'installationId' | 'scopes' | 'resources' | 'authorizationDetails'
>
