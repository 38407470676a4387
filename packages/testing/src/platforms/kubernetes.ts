import type { AudienceOptions } from './fake-platform.ts'
import { type FilePlatform, startFilePlatform } from './token-in-file.ts'

/**
 * A pod of a cluster with a projected service account token, replaced by `rotate` as the kubelet does. Tokens live an
 * hour.
 *
 * @see https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
 */
export function startKubernetes(options: AudienceOptions): Promise<FilePlatform> {
  const description = {
    algorithm: 'RS256',
    lifetimeSeconds: 3_600,
    earlySeconds: 0,
    hasTokenId: true,
    listsAudience: true,
    claims: {
      sub: 'system:serviceaccount:shop:website',
      'kubernetes.io': {
        namespace: 'shop',
        serviceaccount: { name: 'website', uid: '14ee3fa4-0000-4000-8000-000000000001' },
        pod: { name: 'website-6d4c', uid: '14ee3fa4-0000-4000-8000-000000000002' },
        node: { name: 'node-1', uid: '14ee3fa4-0000-4000-8000-000000000003' },
      },
    },
  } as const
  const variables = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' }
  const { audience } = options
  return startFilePlatform(
    { description, variable: 'VALETKEY_KUBERNETES_TOKEN_FILE', audience, variables },
    options,
  )
}
