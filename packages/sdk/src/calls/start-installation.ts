import { type Context, defaultContext } from '../client/context.ts'
import { checkDelivery, deliveryNames } from '../consent/check-delivery.ts'
import { readFields, readOptions } from '../consent/read-fields.ts'
import { startConsent } from '../consent/start-consent.ts'
import type {
  StartedAuthorization,
  StartInstallationOptions,
  StartInstallationParams,
} from '../consent/types.ts'
import { checkId, checkStrings, optional } from '../request/check-values.ts'
import { asInvalidRequest, checkConnector } from '../request/token-request.ts'

/**
 * Begins the installation of the provider's app in a tenant (workspace, organization), where `getToken` says
 * `connector_installation_required`. Goes on as `startAuthorization` does; `completeAuthorization` takes no subject
 * then.
 *
 * @throws {ConnectError} as `startAuthorization`; `invalid_request` also where the connector knows no installations.
 */
export function startInstallation(
  connector: string,
  params: StartInstallationParams,
  options?: StartInstallationOptions,
): Promise<StartedAuthorization> {
  return startInstallationIn(defaultContext(), connector, params, options)
}

export async function startInstallationIn(
  context: Context,
  connectorName: string,
  params: StartInstallationParams,
  options: StartInstallationOptions | undefined,
): Promise<StartedAuthorization> {
  const connector = checkConnector(connectorName)
  const where = checkParams(params)
  const { own, call } = readOptions(options, deliveryNames)
  const body = { ...where, ...checkDelivery(own, context) }
  return startConsent(context, connector, call, { route: 'install', body })
}

function checkParams(params: unknown): { installationId?: string; tenantId?: string; scopes?: string[] } {
  const given = readFields(params, 'params', ['installationId', 'tenantId', 'scopes'])
  try {
    const installationId = optional(given.installationId, checkId, 'installationId')
    const tenantId = optional(given.tenantId, checkId, 'tenantId')
    const scopes = optional(given.scopes, checkStrings, 'scopes')
    return {
      ...(installationId === undefined ? undefined : { installationId }),
      ...(tenantId === undefined ? undefined : { tenantId }),
      ...(scopes === undefined ? undefined : { scopes }),
    }
  } catch (error) {
    throw asInvalidRequest(error, 'params')
  }
}
