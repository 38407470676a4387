import { type Context, defaultContext } from '../client/context.ts'
import { checkAdditionalParams, checkDelivery, deliveryNames } from '../consent/check-delivery.ts'
import { readOptions } from '../consent/read-fields.ts'
import { startConsent } from '../consent/start-consent.ts'
import type { StartAuthorizationOptions, StartedAuthorization } from '../consent/types.ts'
import { checkId, optional } from '../request/check-values.ts'
import { paramsOnWire } from '../request/on-wire.ts'
import { checkTokenRequest, requestKey } from '../request/token-request.ts'
import type { ConnectTokenParams } from '../request/types.ts'

/**
 * Begins the consent that `getToken` would need for the same `params`: `UserAuthorizationRequiredError.params` fits as
 * it is. Send the person's browser to `url`, and keep `request` and `verifier` in that person's session.
 *
 * Consent alone makes nothing usable: the browser comes back to `callbackUrl` with a `code`, and
 * `completeAuthorization` activates the grant in the session in which it arrives. At Vercel Connect, which cannot be
 * completed, consent alone does.
 *
 * Sent again after faults that pass, within `timeoutMs`: a request that nobody follows up expires and does nothing.
 *
 * @throws {ConnectError} `invalid_request` for an option that is malformed, or refused by the issuing point (a
 *   `callbackUrl` that is not allowed, `binding: 'consent'` on an attachment without the flag); `forbidden` when the
 *   connector is not linked to this project; `above_ceiling` when less must be asked for.
 */
export function startAuthorization(
  connector: string,
  params: ConnectTokenParams,
  options?: StartAuthorizationOptions,
): Promise<StartedAuthorization> {
  return startAuthorizationIn(defaultContext(), connector, params, options)
}

export async function startAuthorizationIn(
  context: Context,
  connector: string,
  params: ConnectTokenParams,
  options: StartAuthorizationOptions | undefined,
): Promise<StartedAuthorization> {
  const asked = checkTokenRequest(connector, params)
  // Made for its limit on the whole: what is too large for a token request is too large here.
  requestKey(asked)
  const { own, call } = readOptions(options, [...deliveryNames, 'prompt', 'additionalParams'] as const)
  const prompt = optional(own.prompt, checkId, 'prompt')
  const additionalParams = optional(own.additionalParams, checkAdditionalParams, 'additionalParams')
  const body = {
    ...paramsOnWire(asked),
    ...checkDelivery(own, context),
    ...(prompt === undefined ? undefined : { prompt }),
    ...(additionalParams === undefined ? undefined : { additionalParams }),
  }
  return startConsent(context, asked.connector, call, { route: 'authorize', body })
}
