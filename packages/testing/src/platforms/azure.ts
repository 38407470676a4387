import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startPlatform } from './start-platform.ts'

const tenant = '0d1e2f30-0000-4000-8000-000000000001'
const application = '0d1e2f30-0000-4000-8000-000000000003'
const identityHeader = 'identity-header-of-the-app'

/** What the app's configuration says. */
export interface AzureOptions extends PlatformOptions {
  /** The URI of the application that tokens are for. Default `api://<its id>`, as Entra suggests. */
  readonly resource?: string
}

/**
 * An App Service app with a managed identity, and an application of the tenant that its tokens are for, whose registration
 * says `requestedAccessTokenVersion: 2`: their audience is the application's id, whatever URI they are asked for by. Tokens
 * live a day.
 *
 * @see https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export async function startAzure(options: AzureOptions = {}): Promise<FakePlatform> {
  const { resource = `api://${application}` } = options
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      issuerPath: `/${tenant}/v2.0`,
      lifetimeSeconds: 86_400,
      earlySeconds: 0,
      claims: {
        sub: '0d1e2f30-0000-4000-8000-000000000002',
        oid: '0d1e2f30-0000-4000-8000-000000000002',
        // The caller's own: the managed identity's.
        azp: '0d1e2f30-0000-4000-8000-000000000004',
        azpacr: '2',
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
        if (version !== (isHosted ? '2019-08-01' : '2018-02-01')) return { status: 400 }
        // An application that the tenant does not have.
        if (url.searchParams.get('resource') !== resource) return { status: 400 }
        const token = mint(application)
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
      VALETKEY_AZURE_RESOURCE: resource,
    },
  }
}
