import { type Context, defaultContext } from '../client/context.ts'
import { checkCallOptions } from '../request/call-options.ts'
import { checkConnector } from '../request/token-request.ts'
import type { ConnectOptions } from '../request/types.ts'
import { requestDescription } from './request-description.ts'

/** What an attached workload may know of a connector. */
export interface ConnectorMetadata {
  readonly id: string
  readonly uid: string
  readonly name: string
  /** What kind of connector it is, e.g. `oauth`. */
  readonly type: string
  /** What it connects to. */
  readonly service: string
  /** The address of that service, where it is known. */
  readonly clientUrl?: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Milliseconds since the epoch. */
  readonly updatedAt: number
  /** The connector's public configuration; its shape is the service's. */
  readonly vendor: Record<string, unknown>
}

/**
 * Returns what is public about `connector`, which has to be attached to the caller's project and environment.
 *
 * Not cached: every call asks the issuing point.
 *
 * @throws {ConnectError} `forbidden` when it is not attached, or does not exist: the two are not told apart.
 */
export function getConnectorMetadata(
  connector: string,
  options?: ConnectOptions,
): Promise<ConnectorMetadata> {
  return getConnectorMetadataIn(defaultContext(), connector, options)
}

export async function getConnectorMetadataIn(
  context: Context,
  connectorName: string,
  options: ConnectOptions | undefined,
): Promise<ConnectorMetadata> {
  const connector = checkConnector(connectorName)
  const call = checkCallOptions(options)
  return requestDescription(context, connector, call)
}
