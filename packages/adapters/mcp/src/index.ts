export {
  type ConnectAuthProviderOptions,
  type ConnectMcpOptions,
  connectAuthProvider,
} from './auth-provider.ts'
export {
  type ConnectedTransport,
  type ConnectTransportOptions,
  connectTransport,
} from './connect-transport.ts'
export {
  type ConsentChallenge,
  ConsentRequiredError,
  getConsentChallenge,
  isConsentRequiredError,
} from './consent-required.ts'
export type {
  ConnectAuthProvider,
  ConnectDiscoveryState,
  ConnectOAuthTokens,
} from './oauth-client-provider.ts'
export { type ConsentOptions, toConsentRequired } from './to-consent-required.ts'
