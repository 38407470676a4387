import { completeAuthorizationIn } from '../calls/complete-authorization.ts'
import { deleteTokenCacheEntryIn } from '../calls/delete-token-cache-entry.ts'
import { type ConnectorMetadata, getConnectorMetadataIn } from '../calls/get-connector-metadata.ts'
import { getTokenIn, getTokenResponseIn } from '../calls/get-token.ts'
import { revokeTokenIn } from '../calls/revoke-token.ts'
import { startAuthorizationIn } from '../calls/start-authorization.ts'
import { startInstallationIn } from '../calls/start-installation.ts'
import { waitForAuthorizationIn } from '../calls/wait-for-authorization.ts'
import type {
  AuthorizationStatus,
  CompleteAuthorizationParams,
  StartAuthorizationOptions,
  StartedAuthorization,
  StartInstallationOptions,
  StartInstallationParams,
  WaitForAuthorizationOptions,
  WaitForAuthorizationParams,
} from '../consent/types.ts'
import { type CreateFetchOptions, createFetchIn } from '../fetch/create-fetch.ts'
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
  startAuthorization(
    connector: string,
    params: ConnectTokenParams,
    options?: StartAuthorizationOptions,
  ): Promise<StartedAuthorization>
  completeAuthorization(params: CompleteAuthorizationParams, options?: ConnectOptions): Promise<void>
  waitForAuthorization(
    params: WaitForAuthorizationParams,
    options?: WaitForAuthorizationOptions,
  ): Promise<AuthorizationStatus>
  startInstallation(
    connector: string,
    params: StartInstallationParams,
    options?: StartInstallationOptions,
  ): Promise<StartedAuthorization>
  getConnectorMetadata(connector: string, options?: ConnectOptions): Promise<ConnectorMetadata>
  createFetch(
    connector: string,
    params: ConnectTokenParams,
    options?: CreateFetchOptions,
  ): typeof globalThis.fetch
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
    startAuthorization: (connector, params, options) =>
      startAuthorizationIn(context, connector, params, options),
    completeAuthorization: (params, options) => completeAuthorizationIn(context, params, options),
    waitForAuthorization: (params, options) => waitForAuthorizationIn(context, params, options),
    startInstallation: (connector, params, options) =>
      startInstallationIn(context, connector, params, options),
    getConnectorMetadata: (connector, options) => getConnectorMetadataIn(context, connector, options),
    createFetch: (connector, params, options) => createFetchIn(context, connector, params, options),
  }
}
