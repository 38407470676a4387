export { connect } from './connect.ts'
export { consentReturn } from './consent-return.ts'
export type {
  AppAuthorization,
  AuthorizationPhase,
  ConnectAuthorizationOptions,
  ConnectionContext,
  ConsentResume,
  EveClient,
  EvictOptions,
  UserAuthorization,
} from './types.ts'
