import type { IdentitySource } from './identity-source.ts'
import { findOperatorCredential } from './operator-credential.ts'

/** A workload access token in `VALETKEY_ACCESS_TOKEN`, for platforms that give no identity. */
export const accessTokenSource: IdentitySource = {
  name: 'access-token',
  partition: 'given',
  remedy: 'valetkey token create',
  variable: 'VALETKEY_ACCESS_TOKEN',
  find: findOperatorCredential,
  obtain: (found) => found,
}
