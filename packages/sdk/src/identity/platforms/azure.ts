import { isForeignAudience } from '../foreign-audience.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { gaveNone, jsonField, mint, notEnabled, platformAddress } from '../mint.ts'

const platform = 'Azure'
const instanceMetadata = 'http://169.254.169.254/metadata/identity/oauth2/token'

/**
 * The token of an Azure managed identity for the application that `VALETKEY_AZURE_RESOURCE` names, such as
 * `api://valetkey`. App Service, Functions and Container Apps show where to ask; a virtual machine does not, and is
 * asked only when `VALETKEY_IDENTITY` names `azure`. `AZURE_CLIENT_ID` picks a user-assigned identity.
 *
 * Tokens of version 2 are for the application's id, whatever URI it was asked by: name it `api://<application id>`.
 *
 * @see https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */
export const obtainFromAzure: ObtainIdentity = (values, context) => {
  const [resource = '', endpoint = '', identityHeader = '', clientId = '', forced = ''] = values
  if (resource === '')
    throw notEnabled(platform, 'VALETKEY_AZURE_RESOURCE has to name the application to ask a token for')
  if (isForeignAudience(resource, context.destination))
    throw gaveNone(
      platform,
      'VALETKEY_AZURE_RESOURCE names another service, where the token could be used: register an ' +
        'application for the issuing point, such as `api://valetkey`',
    )
  const isHosted = endpoint !== '' && identityHeader !== ''
  if (!isHosted && forced !== 'azure')
    throw notEnabled(
      platform,
      'IDENTITY_ENDPOINT and IDENTITY_HEADER are not set: is a managed identity assigned? On a virtual machine, ' +
        'name azure in VALETKEY_IDENTITY',
    )
  const url = isHosted
    ? platformAddress(endpoint, 'IDENTITY_ENDPOINT', isLinkLocal)
    : new URL(instanceMetadata)
  url.searchParams.set('api-version', isHosted ? '2019-08-01' : '2018-02-01')
  url.searchParams.set('resource', resource)
  if (clientId !== '') url.searchParams.set('client_id', clientId)
  const headers: Record<string, string> = isHosted
    ? { 'x-identity-header': identityHeader }
    : { metadata: 'true' }
  // A v2 token's audience is the application's id, a v1 token's is the resource as it was asked for.
  const audiences = [resource, resource.replace(/^api:\/\//, '')]
  return mint(
    platform,
    { url: url.href, method: 'GET', headers },
    jsonField('access_token'),
    context,
    audiences,
  )
}

// App Service listens on 169.254.129.x and others of that range.
function isLinkLocal(hostname: string): boolean {
  return /^169\.254\.\d{1,3}\.\d{1,3}$/.test(hostname)
}
