import { isForeignAudience } from '../foreign-audience.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { gaveNone, jsonField, mint, platformAddress } from '../mint.ts'

const platform = 'Azure'
const instanceMetadata = 'http://169.254.169.254/metadata/identity/oauth2/token'

/**
 * The token of an Azure managed identity for the application that stands for the issuing point, which
 * `VALETKEY_AZURE_RESOURCE` names by its URI, `api://<application id>`. App Service, Functions and Container Apps show
 * where to ask; a virtual machine does not, and is asked only when `VALETKEY_IDENTITY` names `azure`. `AZURE_CLIENT_ID`
 * picks a user-assigned identity.
 *
 * The application's registration decides which version its tokens have. Those of version 2 are for its id, whatever URI
 * they were asked for by; those of version 1 are for that URI. Either is taken.
 *
 * @see https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export const obtainFromAzure: ObtainIdentity = (values, context) => {
  const [resource = '', endpoint = '', identityHeader = '', clientId = '', forced = ''] = values
  if (resource === '')
    throw gaveNone(platform, 'VALETKEY_AZURE_RESOURCE has to name the application to ask a token for')
  if (isForeignAudience(resource, context.destination))
    throw gaveNone(
      platform,
      'VALETKEY_AZURE_RESOURCE names another service, where the token could be used: register an ' +
        'application for the issuing point, and name `api://<application id>`',
    )
  const isHosted = endpoint !== '' && identityHeader !== ''
  if (!isHosted && forced !== 'azure')
    throw gaveNone(
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
  // Version 1, and version 2: the id is known here only where it is in the URI.
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
