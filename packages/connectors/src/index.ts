export type {
  ConsentBehaviour,
  ConsentDriver,
  ConsentFinished,
  ConsentRefused,
  ConsentStart,
  ConsentStarted,
  GrantCredential,
  GrantIdentity,
  GrantKind,
  RefreshResult,
  RotatedTokens,
} from './consent.ts'
export {
  type CheckedSettings,
  type ConnectorSettings,
  type Driver,
  type DriverBehaviour,
  type HeldDetail,
  InvalidSettings,
  type JsonObject,
  type MintedToken,
  type MintRefusal,
  type MintRequest,
  type ProviderAccess,
  ProviderFault,
} from './driver.ts'
export { drivers, findDriver } from './registry.ts'
