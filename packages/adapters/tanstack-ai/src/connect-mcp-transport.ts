import type { HttpTransportConfig, SseTransportConfig } from '@tanstack/ai-mcp'
import { type ConnectTransportOptions, connectTransport } from '@valetkey/mcp'
import type { ConnectTokenParams } from '@valetkey/sdk'

/** Which MCP server, by which transport. What it is asked with comes from the connector. */
export type ConnectMCPTransportConfig =
  | Omit<HttpTransportConfig, 'authProvider' | 'fetch'>
  | Omit<SseTransportConfig, 'authProvider' | 'fetch'>

/** A transport for `createMCPClient`. */
export type ConnectMCPTransport = ConnectMCPTransportConfig &
  Required<Pick<HttpTransportConfig, 'authProvider' | 'fetch'>>

/**
 * Returns `config` as the `transport` of `createMCPClient`, whose requests carry a token of `connector`; one that the
 * server rejects is reported and the request repeated once with another.
 *
 * Where the user's consent is missing, nothing is sent, whichever transport it is: `createMCPClient` and calls of tools
 * throw errors in which `getConsentChallenge` finds where the user has to go.
 */
export function connectMCPTransport(
  config: ConnectMCPTransportConfig,
  connector: string,
  params: ConnectTokenParams,
  options?: ConnectTransportOptions,
): ConnectMCPTransport {
  return { ...config, ...connectTransport(config.url, connector, params, options) }
}
