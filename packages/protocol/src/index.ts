export type { ConnectorDescription } from './connector.ts'
export {
  type ErrorBody,
  type ErrorCode,
  type ErrorCodeDescription,
  type ErrorSide,
  errorCodes,
  isErrorCode,
  type SdkErrorCode,
  type WireErrorCode,
  type WireErrorCodeDescription,
} from './errors.ts'
export type {
  AppSubject,
  Authority,
  AuthorizationDetail,
  EnforcedBy,
  GitHubAppInstallationDetail,
  JwtBearerSubject,
  RevokeTokensRequest,
  RevokeTokensResponse,
  Subject,
  SubjectType,
  TokenRequest,
  TokenResponse,
  TokenSubject,
  UserSubject,
} from './token.ts'
