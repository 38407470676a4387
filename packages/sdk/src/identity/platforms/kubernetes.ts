import { identityUnavailable } from '../../errors/connect-error.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted } from '../mint.ts'
import { readTokenFile } from '../read-token-file.ts'

const variable = 'VALETKEY_KUBERNETES_TOKEN_FILE'

// What a cluster mounts by itself: for the API server, AWS and Azure.
const mountsForOthers = [
  '/run/secrets/kubernetes.io/',
  '/run/secrets/eks.amazonaws.com/',
  '/run/secrets/pods.eks.amazonaws.com/',
  '/run/secrets/azure/',
]

/**
 * The service account token in a projected volume of the pod, whose audience is the issuing point. The kubelet replaces
 * the file at 80 % of the token's life.
 *
 * @see https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
 */
export const obtainFromKubernetes: ObtainIdentity = async ([path = ''], context) => {
  const { audience } = context.destination
  // /var/run is a link to /run in most images. Whatever the path, the audience decides; this message says more.
  const plain = path.replace(/\/+/g, '/').replace(/^\/var\/run\//, '/run/')
  if (mountsForOthers.some((mount) => plain.startsWith(mount)))
    throw identityUnavailable(
      `${variable} names a token that the cluster mounts for somebody else, so it was not sent: ` +
        `project a second one with \`serviceAccountToken: { audience: ${audience}, path: token }\``,
    )
  return checkMinted('Kubernetes', await readTokenFile(path, variable), [audience], context)
}
