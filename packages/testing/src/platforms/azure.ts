import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startPlatform } from './start-platform.ts'

const tenant = '0d1e2f30-0000-4000-8000-000000000001'
const identityHeader = 'identity-header-of-the-app'

/** What the app's configuration says. */
export interface AzureOptions extends PlatformOptions {
  /** The application's id URI. Default `api://valetkey`. */
  readonly resource?: string
}

/**
 * An App Service app with a managed identity. Tokens live a day, and their audience is the resource that is asked for,
 * as in v1 tokens.
 *
 * @see https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */
export async function startAzure(options: AzureOptions = {}): Promise<FakePlatform> {
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      issuerPath: `/${tenant}/v2.0`,
      lifetimeSeconds: 86_400,
      earlySeconds: 0,
      claims: {
        sub: '0d1e2f30-0000-4000-8000-000000000002',
        oid: '0d1e2f30-0000-4000-8000-000000000002',
        azp: '0d1e2f30-0000-4000-8000-000000000003',
        tid: tenant,
        ver: '2.0',
      },
      fixedAddresses: ['http://169.254.169.254'],
      answer({ method, url, headers }, { mint, read }) {
        const isHosted = url.pathname === '/msi/token'
        if (method !== 'GET' || !(isHosted || url.pathname === '/metadata/identity/oauth2/token'))
          return undefined
        if (isHosted ? headers['x-identity-header'] !== identityHeader : headers.metadata !== 'true')
          return { status: 401 }
        const version = url.searchParams.get('api-version')
        const resource = url.searchParams.get('resource')
        if (resource === null || version !== (isHosted ? '2019-08-01' : '2018-02-01')) return { status: 400 }
        const token = mint(resource)
        const expires_on = String(read(token)?.exp)
        return { body: { access_token: token, expires_on, resource, token_type: 'Bearer' } }
      },
    },
    options,
  )
  return {
    ...core,
    environment: {
      WEBSITE_SITE_NAME: 'website',
      IDENTITY_ENDPOINT: `${core.url}/msi/token`,
      IDENTITY_HEADER: identityHeader,
      VALETKEY_AZURE_RESOURCE: options.resource ?? 'api://valetkey',
    },
  }
}
