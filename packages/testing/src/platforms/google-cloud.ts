import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startPlatform } from './start-platform.ts'

const account = '117234567890123456789'
const withoutAddress = { email: undefined, email_verified: undefined }

/**
 * A Cloud Run service with the metadata server. The account's address is in tokens only where it is asked for by
 * `format=full`. Tokens live an hour.
 *
 * @see https://cloud.google.com/docs/authentication/get-id-token#metadata-server
 */
export async function startGoogleCloud(options: PlatformOptions = {}): Promise<FakePlatform> {
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      lifetimeSeconds: 3_600,
      claims: {
        sub: account,
        azp: account,
        email: 'website@acme-shop.iam.gserviceaccount.com',
        email_verified: true,
      },
      fixedAddresses: ['http://metadata.google.internal', 'http://169.254.169.254'],
      answer({ method, url, headers }, { mint }) {
        const flavor = { 'metadata-flavor': 'Google' }
        const path = '/computeMetadata/v1/instance/service-accounts/default/identity'
        if (method !== 'GET' || url.pathname !== path) return undefined
        // The real one refuses whoever might have been tricked into asking by a web page.
        if (headers['metadata-flavor'] !== 'Google') return { status: 403 }
        const audience = url.searchParams.get('audience')
        if (audience === null) return { status: 400, headers: flavor }
        const isFull = url.searchParams.get('format') === 'full'
        return { headers: flavor, body: mint(audience, isFull ? {} : withoutAddress) }
      },
    },
    options,
  )
  return {
    ...core,
    environment: {
      K_SERVICE: 'website',
      K_REVISION: 'website-00001',
      GCE_METADATA_HOST: new URL(core.url).host,
    },
  }
}
