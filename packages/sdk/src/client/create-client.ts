import { deleteTokenCacheEntryIn } from '../calls/delete-token-cache-entry.ts'
import { type ConnectorMetadata, getConnectorMetadataIn } from '../calls/get-connector-metadata.ts'
import { getTokenIn, getTokenResponseIn } from '../calls/get-token.ts'
import { revokeTokenIn } from '../calls/revoke-token.ts'
import type {
  ConnectOptions,
  ConnectRevokeParams,
  ConnectTokenParams,
  ConnectTokenResponse,
} from '../request/types.ts'
import { type ClientConfig, createContext } from './create-context.ts'

/** The functions of this package, bound to one configuration and one cache. */
export interface Client {
  getToken(connector: string, params: ConnectTokenParams, options?: ConnectOptions): Promise<string>
  getTokenResponse(
    connector: string,
    params: ConnectTokenParams,
    options?: ConnectOptions,
  ): Promise<ConnectTokenResponse>
  revokeToken(connector: string, params: ConnectRevokeParams, options?: ConnectOptions): Promise<void>
  deleteTokenCacheEntry(connector: string, params: ConnectTokenParams, options?: ConnectOptions): void
  getConnectorMetadata(connector: string, options?: ConnectOptions): Promise<ConnectorMetadata>
}

/**
 * Returns this package's functions bound to `config` and to a cache of their own. Does no I/O.
 *
 * @throws {ConnectError} `invalid_request` for an unknown or malformed setting; it is named, its value is not.
 */
export function createClient(config: ClientConfig = {}): Client {
  const context = createContext(config)
  return {
    getToken: (connector, params, options) => getTokenIn(context, connector, params, options),
    getTokenResponse: (connector, params, options) => getTokenResponseIn(context, connector, params, options),
    revokeToken: (connector, params, options) => revokeTokenIn(context, connector, params, options),
    deleteTokenCacheEntry: (connector, params, options) =>
      deleteTokenCacheEntryIn(context, connector, params, options),
    getConnectorMetadata: (connector, options) => getConnectorMetadataIn(context, connector, options),
  }
}
