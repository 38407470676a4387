/** Where a code is produced: by an issuing point (it then has an HTTP status) or by the SDK itself. */
export type ErrorSide = 'issuing-point' | 'sdk'

/** Everything known about one error code. The text is the source of `docs/errors.md`. */
export interface ErrorCodeDescription {
  readonly side: ErrorSide
  /** HTTP status on the wire; absent for codes that never travel. */
  readonly status?: number
  /** Whether the same request may succeed later without anyone changing anything. */
  readonly retryable: boolean
  /** What happened, in one sentence. */
  readonly happened: string
  /** What to do about it. */
  readonly remedy: string
}

/** An {@link ErrorCodeDescription} of a code that travels: it has an HTTP status. */
export interface WireErrorCodeDescription extends ErrorCodeDescription {
  readonly side: 'issuing-point'
  readonly status: number
}

/** The codes that an issuing point sends over the wire. */
export type WireErrorCode =
  | 'invalid_request'
  | 'identity_invalid'
  | 'identity_expired'
  | 'identity_ambiguous'
  | 'forbidden'
  | 'above_ceiling'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'no_token'
  | 'user_authorization_required'
  | 'connector_installation_required'
  | 'provider_refused'
  | 'rate_limited'
  | 'provider_error'
  | 'unavailable'

/** The codes that only the SDK produces. `unavailable` is also used by it, when no answer reached it. */
export type SdkErrorCode =
  | 'identity_unavailable'
  | 'timeout'
  | 'aborted'
  | 'invalid_response'
  | 'issuing_point_missing'

/** Every error code there is. */
export type ErrorCode = WireErrorCode | SdkErrorCode

/**
 * The closed list of error codes, with their HTTP statuses.
 *
 * Codes are contract; messages are not. Adding one is a minor release, removing or renaming one a major release.
 */
export const errorCodes: Readonly<
  Record<WireErrorCode, WireErrorCodeDescription> & Record<SdkErrorCode, ErrorCodeDescription>
> = {
  invalid_request: {
    side: 'issuing-point',
    status: 400,
    retryable: false,
    happened:
      'The request is not well formed: a field is missing, unknown, of the wrong type or not supported by this connector.',
    remedy: 'Read the message: it names the field. Correct the call; sending it again unchanged fails again.',
  },
  identity_invalid: {
    side: 'issuing-point',
    status: 401,
    retryable: false,
    happened:
      'The identity was not accepted: its issuer is not trusted, its signature or audience is wrong, or no trust rule matches its claims.',
    remedy:
      'Run `valetkey project explain <project> --token @file` with the same token: it says, rule by rule and claim by claim, what did not match.',
  },
  identity_expired: {
    side: 'issuing-point',
    status: 401,
    retryable: false,
    happened: 'The identity was valid once and has expired.',
    remedy: 'Obtain a new one from the platform. On a laptop run `valetkey env pull` again.',
  },
  identity_ambiguous: {
    side: 'issuing-point',
    status: 401,
    retryable: false,
    happened: 'The identity matches the trust rules of more than one project or environment.',
    remedy:
      'Narrow the rules until exactly one project and environment admits it; `valetkey project explain` lists the ones that match.',
  },
  forbidden: {
    side: 'issuing-point',
    status: 403,
    retryable: false,
    happened:
      'The caller is known but may not do this. For a token request: the connector does not exist or is not linked to this project and environment; the two are deliberately not told apart.',
    remedy:
      'Check the spelling of the connector, then attach it: `valetkey connect attach <connector> --project <project> -e <environment>`. For management calls use an access token with the role the message names.',
  },
  above_ceiling: {
    side: 'issuing-point',
    status: 403,
    retryable: false,
    happened:
      "The request asks for more than the attachment's ceiling allows, or more than the provider granted the app. The message says which part.",
    remedy:
      'Ask for less, or have an operator raise the ceiling with `valetkey connect attach`. Nothing is trimmed silently.',
  },
  not_found: {
    side: 'issuing-point',
    status: 404,
    retryable: false,
    happened: 'The named thing, or the route, does not exist. Only management calls are told so.',
    remedy: 'List what exists (`valetkey project list`, `valetkey connect list`) and correct the name.',
  },
  conflict: {
    side: 'issuing-point',
    status: 409,
    retryable: false,
    happened: 'The name is taken, or the thing changed or is still in use.',
    remedy: 'Choose another name, or read the current state and decide again.',
  },
  too_large: {
    side: 'issuing-point',
    status: 413,
    retryable: false,
    happened: 'The body of the request is larger than the issuing point reads.',
    remedy: 'Send less. Token requests are limited to 64 KiB.',
  },
  no_token: {
    side: 'issuing-point',
    status: 422,
    retryable: false,
    happened: 'The connector holds no app credential from which a token could be made.',
    remedy: 'Register one with `valetkey connect update`, or ask for a user token instead.',
  },
  user_authorization_required: {
    side: 'issuing-point',
    status: 422,
    retryable: false,
    happened: 'The user has not consented yet, or the consent no longer stands.',
    remedy: 'Start an authorization for that user and send them to the URL it returns.',
  },
  connector_installation_required: {
    side: 'issuing-point',
    status: 422,
    retryable: false,
    happened:
      "The provider's app is not installed in the tenant the request means, or several installations match and none was named.",
    remedy:
      'Install the app in that tenant, or name one with `installationId` (or, for GitHub, the owner in `authorizationDetails`).',
  },
  provider_refused: {
    side: 'issuing-point',
    status: 422,
    retryable: false,
    happened: 'The provider definitely refused: the credential is wrong, revoked, or lacks the right.',
    remedy:
      "Check the connector's credential at the provider and renew it with `valetkey connect update`. Retrying does not help.",
  },
  rate_limited: {
    side: 'issuing-point',
    status: 429,
    retryable: true,
    happened: 'Too many requests.',
    remedy: 'Wait for the number of seconds in `Retry-After`. The SDK does so by itself within its timeout.',
  },
  provider_error: {
    side: 'issuing-point',
    status: 502,
    retryable: true,
    happened: 'The provider could not be reached or answered with a fault.',
    remedy:
      'Try again later. If it lasts, see the status page of the provider and the egress settings of the issuing point.',
  },
  unavailable: {
    side: 'issuing-point',
    status: 503,
    retryable: true,
    happened:
      'The issuing point could not be reached, or cannot serve at the moment: its database is away, or it is stopping.',
    remedy:
      'Try again; the SDK does so by itself within its timeout. `valetkey doctor` and `/readyz` say what is missing.',
  },
  identity_unavailable: {
    side: 'sdk',
    retryable: false,
    happened:
      'No identity source answered, or the one that matched is broken. The message lists each source and why it declined.',
    remedy:
      'On a platform: enable its OIDC token (the message names the setting). On a laptop: `valetkey env pull`.',
  },
  timeout: {
    side: 'sdk',
    retryable: true,
    happened: 'No answer came within `timeoutMs`.',
    remedy: 'Try again, or raise `timeoutMs` (default 10,000 ms).',
  },
  aborted: {
    side: 'sdk',
    retryable: false,
    happened: 'The `signal` passed with the call was aborted.',
    remedy: 'Nothing: the caller asked for it. Other callers waiting for the same token are not affected.',
  },
  invalid_response: {
    side: 'sdk',
    retryable: false,
    happened:
      'What answered at the issuing point’s URL did not speak its protocol: not JSON, too large, a redirect, or a token that had already expired.',
    remedy: 'Check that `VALETKEY_URL` points at an issuing point and that no proxy rewrites its answers.',
  },
  issuing_point_missing: {
    side: 'sdk',
    retryable: false,
    happened: 'Nothing says which issuing point to ask.',
    remedy: 'Set `VALETKEY_URL`, or pass `url` to `createClient`. To start one here: `npx valetkey dev`.',
  },
}

/** True when `value` is one of the codes of {@link errorCodes}. Never throws. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCodes, value)
}

/** The body of every error answer. */
export interface ErrorBody {
  readonly error: {
    readonly code: string
    readonly message: string
    /** Also in the header `x-request-id`. */
    readonly requestId: string
  }
}
