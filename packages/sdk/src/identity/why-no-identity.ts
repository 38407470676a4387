import type { ReadEnvironment } from '../client/environment.ts'
import { type ConnectError, identityUnavailable } from '../errors/connect-error.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import { noIdentity } from './find-identity.ts'
import { reportSources, whyDeclined } from './source-report.ts'
import { identitySources } from './sources.ts'

/** What to do when no source matches. */
export const adviceForNone: string =
  'On a laptop run `valetkey env pull`; on a platform enable its OIDC token (docs/identity.md says how); ' +
  'anywhere, pass `identityToken`'

/** The error when no source matched: why each declined, in order, and what to do. */
export function whyNoIdentity(read: ReadEnvironment, destination: Destination): ConnectError {
  const forced = read('VALETKEY_IDENTITY')
  if (forced === undefined) {
    const reasons = reportSources(read, destination, noIdentity).map(
      ({ name, reason }) => `  ${name}: ${reason}`,
    )
    return identityUnavailable(
      `No identity was found. Asked, in this order:\n${reasons.join('\n')}\n${adviceForNone}`,
    )
  }
  const source = identitySources.find(({ name }) => name === forced)
  return identityUnavailable(
    source === undefined
      ? `VALETKEY_IDENTITY names no identity source. There are: ${identitySources.map(({ name }) => name).join(', ')}`
      : `VALETKEY_IDENTITY asks for ${forced}, but ${whyDeclined(source, read, destination)}`,
  )
}
