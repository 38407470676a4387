import type { ReadEnvironment } from '../client/environment.ts'
import { type ConnectError, identityUnavailable } from '../errors/connect-error.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { IdentitySource } from './identity-source.ts'

/** The error when no source matched: why each declined, and what to do. */
export function whyNoIdentity(
  sources: readonly IdentitySource[],
  read: ReadEnvironment,
  destination: Destination,
): ConnectError {
  const forced = read('VALETKEY_IDENTITY')
  if (forced === undefined) {
    const reasons = sources.map((source) => `${source.name}: ${whyDeclined(source, read, destination)}`)
    return identityUnavailable(
      `No identity was found. ${reasons.join('; ')}. ` +
        'On a laptop run `valetkey env pull`; on a platform enable its OIDC token; anywhere, pass `identityToken`',
    )
  }
  const source = sources.find((candidate) => candidate.name === forced)
  return identityUnavailable(
    source === undefined
      ? `VALETKEY_IDENTITY names no identity source. There are: ${sources.map(({ name }) => name).join(', ')}`
      : `VALETKEY_IDENTITY asks for ${source.name}, but ${whyDeclined(source, read, destination)}`,
  )
}

function whyDeclined({ variable }: IdentitySource, read: ReadEnvironment, destination: Destination): string {
  if (read(variable) === undefined) return `${variable} is not set`
  return destination.isVercelConnect && !variable.startsWith('VALETKEY_')
    ? 'Vercel Connect does not take it'
    : `${variable} is sent only to the origin of VALETKEY_URL, and this is another issuing point`
}
