import { identityUnavailable } from '../../errors/connect-error.ts'
import { isLoopbackHost } from '../../issuing-point/parse-issuing-point-url.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { mint } from '../mint.ts'

const platform = 'Google Cloud'
const defaultHost = 'metadata.google.internal'
const hosts: readonly string[] = [defaultHost, 'metadata', '169.254.169.254', '[fd20:ce::254]']

/**
 * The ID token of the service account that a Google Cloud workload runs as (1 hour), by the metadata server. A virtual
 * machine shows no variable: name `google-cloud` in `VALETKEY_IDENTITY` there.
 *
 * @see https://cloud.google.com/docs/authentication/get-id-token#metadata-server
 */
export const obtainFromGoogleCloud: ObtainIdentity = ([host = ''], context) => {
  const url = new URL(
    `http://${metadataHost(host)}/computeMetadata/v1/instance/service-accounts/default/identity`,
  )
  url.searchParams.set('audience', context.destination.audience)
  url.searchParams.set('format', 'full')
  const headers = { 'metadata-flavor': 'Google' }
  return mint(
    platform,
    { url: url.href, method: 'GET', headers },
    // Only the metadata server answers with this header; another on its address is not believed.
    (answer) => (answer.headers.get('metadata-flavor') === 'Google' ? answer.text.trim() : undefined),
    context,
  )
}

function metadataHost(host: string): string {
  if (host === '') return defaultHost
  const url = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined
  if (
    url === undefined ||
    // A host and perhaps a port, and nothing that would lead elsewhere: no user, path or query.
    !/^[a-z0-9.:[\]-]+$/i.test(host) ||
    !(hosts.includes(url.hostname) || isLoopbackHost(url.hostname))
  )
    throw identityUnavailable(
      'GCE_METADATA_HOST is not an address of the Google Cloud metadata server: unset it, and the usual one is asked',
    )
  return url.host
}
