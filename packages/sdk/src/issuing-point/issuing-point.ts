import type {
  AuthorizeRequest,
  CompleteRequest,
  ConsentStatusRequest,
  InstallRequest,
  RevokeTokensRequest,
  TokenRequest,
} from '@valetkey/protocol'
import type { Transport } from '../http/send.ts'

/** What one call to an issuing point may use. */
export interface IssuingPointCall extends Transport {
  /** Already checked: it is meant for this issuing point, as far as can be seen without verifying it. */
  readonly credential: string
  /** The trace context (W3C `traceparent`, `tracestate`) of the call, to be sent along. Empty without telemetry. */
  readonly traceHeaders?: Readonly<Record<string, string>>
}

/**
 * What turns an identity and a request into a token, where it is neither a broker nor Vercel Connect: those come with
 * this package. What its methods return is checked like an answer from the network.
 */
export interface IssuingPoint {
  /** Its name in the cache: tokens of two issuing points never mix, unless they share an id. */
  readonly id: string
  /** The audience that platforms are asked to put into identities for it. */
  readonly audience: string
  /**
   * Where credentials end up: scheme, host and port. `VALETKEY_*` credentials are sent only when this is the origin
   * of `VALETKEY_URL`; absent, they are never sent.
   */
  readonly origin?: string
  /** Asks for a token. Throws a `ConnectError` for a refusal. */
  issueToken(connector: string, request: TokenRequest, call: IssuingPointCall): Promise<unknown>
  /** Revokes tokens. Absent where that is not possible. */
  revokeTokens?(connector: string, request: RevokeTokensRequest, call: IssuingPointCall): Promise<void>
  /** The connector, as `GET /v1/connect/connectors/{connector}` answers. Absent where that is not possible. */
  describeConnector?(connector: string, call: IssuingPointCall): Promise<unknown>
  /** Begins a consent, as `POST /v1/connect/authorize/{connector}` does. Absent where that is not possible. */
  startAuthorization?(connector: string, request: AuthorizeRequest, call: IssuingPointCall): Promise<unknown>
  /** Begins an installation, as `POST /v1/connect/install/{connector}` does. Absent where that is not possible. */
  startInstallation?(connector: string, request: InstallRequest, call: IssuingPointCall): Promise<unknown>
  /** Where a request stands, as `POST /v1/connect/requests/{request}/status` answers. */
  authorizationStatus?(
    request: string,
    question: ConsentStatusRequest,
    call: IssuingPointCall,
  ): Promise<unknown>
  /** Activates a grant, as `POST /v1/connect/requests/{request}/complete` does. Called once for each call. */
  completeAuthorization?(
    request: string,
    completion: CompleteRequest,
    call: IssuingPointCall,
  ): Promise<unknown>
}

/** An issuing point as it was chosen, and all that may be known of it before something is sent there. */
export interface Destination {
  readonly id: string
  readonly audience: string
  readonly origin: string | undefined
  /** Takes the Vercel OIDC token as it is, and no other ambient identity. */
  readonly isVercelConnect: boolean
  /** Chosen by `VALETKEY_URL` or by the client's `url`: whoever set it meant `VALETKEY_*` credentials to go there. */
  readonly namedByUrl: boolean
  /** How to reach it: the prefix of the routes of the wire protocol, or an object that does the asking. */
  readonly reach: ((region: string | undefined) => string) | IssuingPoint
}
