export { completeAuthorization } from './calls/complete-authorization.ts'
export { deleteTokenCacheEntry } from './calls/delete-token-cache-entry.ts'
export { type ConnectorMetadata, getConnectorMetadata } from './calls/get-connector-metadata.ts'
export { getToken, getTokenResponse } from './calls/get-token.ts'
export { revokeToken } from './calls/revoke-token.ts'
export { startAuthorization } from './calls/start-authorization.ts'
export { startInstallation } from './calls/start-installation.ts'
export { waitForAuthorization } from './calls/wait-for-authorization.ts'
export { type Client, createClient } from './client/create-client.ts'
export type { ClientConfig } from './client/create-context.ts'
export type { ConnectEvent } from './client/events.ts'
export type {
  AuthorizationStatus,
  CompleteAuthorizationParams,
  StartAuthorizationOptions,
  StartedAuthorization,
  StartInstallationOptions,
  StartInstallationParams,
  WaitForAuthorizationOptions,
  WaitForAuthorizationParams,
} from './consent/types.ts'
export {
  ConnectError,
  type ConnectErrorOptions,
  type ConnectVendorErrorPayload,
  isConnectError,
} from './errors/connect-error.ts'
export {
  ConnectorInstallationRequiredError,
  NoValidTokenError,
  UserAuthorizationRequiredError,
} from './errors/refusals.ts'
export { type CreateFetchOptions, createFetch } from './fetch/create-fetch.ts'
export type { IssuingPoint, IssuingPointCall } from './issuing-point/issuing-point.ts'
export type {
  ConnectOptions,
  ConnectRevokeParams,
  ConnectSubjectType,
  ConnectTokenParams,
  ConnectTokenResponse,
  ConnectTokenSubject,
  IdentityFunction,
  IdentityRequest,
} from './request/types.ts'
