import type { Context } from '../client/context.ts'
import { defaultContext } from '../client/context.ts'
import { ConnectError } from '../errors/connect-error.ts'
import { acquire } from '../exchange/acquire.ts'
import type { ConnectOptions, ConnectTokenParams, ConnectTokenResponse } from '../request/types.ts'

/**
 * Returns a token for `connector`, reusing a cached one while it stays fresh.
 *
 * Calls that share caller, connector and params share one exchange and one cached token, in this process; callers
 * with different identities never do. A token near its end is renewed in the background, so that calls rarely wait.
 *
 * @param connector id (`scl_...`) or UID (`slack/mybot`).
 * @throws {ConnectError} `identity_unavailable` when no source answered or the matching one is broken;
 *   `forbidden` when the connector is not linked to this project; `above_ceiling` when less must be asked for;
 *   `user_authorization_required`, `connector_installation_required` or `no_token` when someone has to act first;
 *   `timeout` after `timeoutMs`; `unavailable` when nothing answered.
 */
export function getToken(
  connector: string,
  params: ConnectTokenParams,
  options?: ConnectOptions,
): Promise<string> {
  return getTokenIn(defaultContext(), connector, params, options)
}

/** As {@link getToken}, with what the issuing point says about the token: expiry, what was granted, origins. */
export function getTokenResponse(
  connector: string,
  params: ConnectTokenParams,
  options?: ConnectOptions,
): Promise<ConnectTokenResponse> {
  return getTokenResponseIn(defaultContext(), connector, params, options)
}

export async function getTokenIn(
  context: Context,
  connector: string,
  params: ConnectTokenParams,
  options: ConnectOptions | undefined,
): Promise<string> {
  try {
    const response = acquire(context, connector, params, options)
    return response instanceof Promise ? (await response).token : response.token
  } catch (error) {
    throw await explained(context, error)
  }
}

export async function getTokenResponseIn(
  context: Context,
  connector: string,
  params: ConnectTokenParams,
  options: ConnectOptions | undefined,
): Promise<ConnectTokenResponse> {
  try {
    return await acquire(context, connector, params, options)
  } catch (error) {
    throw await explained(context, error)
  }
}

/** Nothing at all is set up: then the error says all that was looked at. */
async function explained(context: Context, error: unknown): Promise<unknown> {
  if (!(error instanceof ConnectError) || error.code !== 'issuing_point_missing') return error
  const { whyNoIssuingPoint } = await import('../issuing-point/why-no-issuing-point.ts')
  return whyNoIssuingPoint(context.read, error)
}
