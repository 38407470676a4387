import type { IdentitySource } from './identity-source.ts'
import { findOperatorCredential } from './operator-credential.ts'

/**
 * An OIDC ID token that the command in `VALETKEY_ID_TOKEN_COMMAND` prints. Run again for every exchange, by the
 * platform's shell: the variable is configuration of the operator, like the command line of the process itself.
 */
export const idTokenCommandSource: IdentitySource = {
  name: 'id-token-command',
  partition: 'id-token-command',
  variable: 'VALETKEY_ID_TOKEN_COMMAND',
  find: findOperatorCredential,
  async obtain(found, context) {
    const { runTokenCommand } = await import('./run-token-command.ts')
    return runTokenCommand(found, context.signal)
  },
}
