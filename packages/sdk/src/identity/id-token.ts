import type { IdentitySource } from './identity-source.ts'
import { findOperatorCredential } from './operator-credential.ts'

/** An OIDC ID token in `VALETKEY_ID_TOKEN`, as `valetkey env pull` writes it. */
export const idTokenSource: IdentitySource = {
  name: 'id-token',
  partition: 'given',
  remedy: 'valetkey env pull',
  variable: 'VALETKEY_ID_TOKEN',
  find: findOperatorCredential,
  obtain: (found) => found,
}
