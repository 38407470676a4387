export {
  type ConnectAuthProvider,
  type ConnectAuthProviderOptions,
  type ConnectedTransport,
  type ConnectTransportOptions,
  type ConsentChallenge,
  ConsentRequiredError,
  connectAuthProvider,
  connectTransport,
  getConsentChallenge,
  isConsentRequiredError,
} from '@valetkey/mcp'
export { connectTool } from './connect-tool.ts'
export { type ConsentRequired, isConsentRequired } from './consent-required.ts'
export type {
  AskOptions,
  ConnectTool,
  ConnectToolCall,
  ConnectToolClient,
  ConnectToolOptions,
  ConsentOptions,
  ToolAccess,
  ToolContext,
} from './types.ts'
