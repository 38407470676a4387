import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted } from '../mint.ts'
import { readTokenFile } from '../read-token-file.ts'

const variable = 'VALETKEY_SPIFFE_TOKEN_FILE'

/**
 * The JWT-SVID in the file that `VALETKEY_SPIFFE_TOKEN_FILE` names, as `spiffe-helper` keeps it fresh. It must be for
 * the issuing point and for nobody else.
 *
 * @see https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
 */
export const obtainFromSpiffe: ObtainIdentity = async ([path = ''], context) =>
  checkMinted(
    'SPIFFE',
    await readTokenFile(path, variable, context.destination.audience),
    [context.destination.audience],
    context,
  )
