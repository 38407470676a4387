import {
  type Client,
  type ConnectTokenParams,
  isConnectError,
  type StartAuthorizationOptions,
  startAuthorization,
} from '@valetkey/sdk'
import { type ConsentChallenge, ConsentRequiredError, isConsentRequiredError } from './consent-required.ts'

/** How a consent that is missing is started: options of `startAuthorization`, and who is told. */
export interface ConsentOptions
  extends Pick<
    StartAuthorizationOptions,
    | 'binding'
    | 'callbackUrl'
    | 'deviceCode'
    | 'identityToken'
    | 'signal'
    | 'timeoutMs'
    | 'vercelToken'
    | 'webhook'
  > {
  /** What `createClient` returns. Default: the functions of `@valetkey/sdk`. */
  readonly client?: Pick<Client, 'startAuthorization'> | undefined
  /**
   * Given the challenge before it is thrown, for instance to keep `request` and `verifier` in the user's session. What
   * it throws, a framework's `redirect()` for instance, is thrown instead.
   */
  readonly onConsentRequired?: ((challenge: ConsentChallenge) => void | PromiseLike<void>) | undefined
}

/**
 * Starts the consent that `error` asks for and returns the {@link ConsentRequiredError} to throw. Whatever is no
 * `UserAuthorizationRequiredError` is returned as it is, so that it reads `throw await toConsentRequired(error, …)`.
 *
 * @throws {ConnectError} what `startAuthorization` throws.
 */
export async function toConsentRequired(
  error: unknown,
  connector: string,
  params: ConnectTokenParams,
  options: ConsentOptions = {},
): Promise<unknown> {
  if (!isConnectError(error) || error.code !== 'user_authorization_required' || isConsentRequiredError(error))
    return error
  const { client = { startAuthorization }, onConsentRequired, ...start } = options
  const started = await client.startAuthorization(connector, params, start)
  const { url, request, verifier, deviceCode, verificationUri, expiresAt } = started
  const required = new ConsentRequiredError({
    connector,
    subject: params.subject,
    url,
    request,
    verifier,
    ...(deviceCode === undefined ? {} : { deviceCode }),
    ...(verificationUri === undefined ? {} : { verificationUri }),
    expiresAt,
  })
  await onConsentRequired?.(required.challenge)
  return required
}
