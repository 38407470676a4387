import type { IdentitySource } from './identity-source.ts'
import { findOperatorCredential } from './operator-credential.ts'

/**
 * An OIDC ID token in the file that `VALETKEY_ID_TOKEN_FILE` names, such as a Kubernetes projected volume. Read again
 * for every exchange: platforms replace such files while the process runs.
 */
export const idTokenFileSource: IdentitySource = {
  name: 'id-token-file',
  partition: 'id-token-file',
  variable: 'VALETKEY_ID_TOKEN_FILE',
  find: findOperatorCredential,
  async obtain(found) {
    const { readTokenFile } = await import('./read-token-file.ts')
    return readTokenFile(found)
  },
}
