import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted } from '../mint.ts'
import { readTokenFile } from '../read-token-file.ts'

const variable = 'VALETKEY_KUBERNETES_TOKEN_FILE'

/**
 * The service account token in a projected volume of the pod, whose audience is the issuing point. The kubelet replaces
 * the file at 80 % of the token's life.
 *
 * @see https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
 */
export const obtainFromKubernetes: ObtainIdentity = async ([path = ''], context) => {
  const { audience } = context.destination
  return checkMinted('Kubernetes', await readTokenFile(path, variable, audience), [audience], context)
}
