export {
  type ConnectAuthProvider,
  type ConnectAuthProviderOptions,
  type ConnectTransportOptions,
  type ConsentChallenge,
  ConsentRequiredError,
  connectAuthProvider,
  getConsentChallenge,
  isConsentRequiredError,
} from '@valetkey/mcp'
export {
  type ConnectMCPTransport,
  type ConnectMCPTransportConfig,
  connectMCPTransport,
} from './connect-mcp-transport.ts'
