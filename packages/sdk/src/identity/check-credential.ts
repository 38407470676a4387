import { identityUnavailable } from '../errors/connect-error.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import { fixedAudiences } from './fixed-audience.ts'
import { isForeignAudience, isKnownOther } from './foreign-audience.ts'
import { unverifiedClaims } from './unverified-claims.ts'

/** The longest credential that a broker reads. */
export const maxCredentialLength = 16_384

/**
 * The credential as it may be sent to `destination`, or an error that says why it must stay here.
 *
 * A JWT is decoded, not verified: this protects the caller from handing an identity to the wrong party, and says
 * early that one has expired. The issuing point verifies.
 *
 * @throws {ConnectError} `identity_unavailable`.
 */
export function checkCredential(
  raw: unknown,
  source: string,
  destination: Pick<Destination, 'audience' | 'origin' | 'isVercelConnect'>,
  nowMs: number,
): string {
  const from = `The identity from ${source}`
  if (typeof raw !== 'string') throw identityUnavailable(`${from} is not a string`)
  const credential = raw.trim()
  if (credential === '') throw identityUnavailable(`${from} is empty`)
  if (credential.length > maxCredentialLength)
    throw identityUnavailable(`${from} is longer than ${maxCredentialLength} characters`)
  // Checked before it becomes a header: fetch quotes a header it cannot send in its error.
  if (!/^[\x21-\x7e]+$/.test(credential))
    throw identityUnavailable(`${from} holds characters that no token has, such as spaces`)
  const claims = unverifiedClaims(credential)
  if (claims === undefined) return credential
  const isForeign = fixedAudiences.has(source) ? isKnownOther : isForeignAudience
  if (claims.audiences.some((audience) => isForeign(audience, destination)))
    throw identityUnavailable(
      `${from} is meant for another audience than ${destination.audience}, so it was not sent: ` +
        'whoever receives it could use it there',
    )
  const expiresAtMs = (claims.expiresAtSeconds ?? Number.POSITIVE_INFINITY) * 1000
  if (expiresAtMs <= nowMs)
    throw identityUnavailable(`${from} expired at ${timeOf(expiresAtMs)}: ${remedyOf(source)}`)
  return credential
}

// The commands that bring a new credential, where one does.
const remedies = new Map([
  ['id-token', 'valetkey env pull'],
  ['access-token', 'valetkey token create'],
  ['vercel', 'vercel env pull'],
])

function remedyOf(source: string): string {
  const remedy = remedies.get(source)
  return remedy === undefined
    ? 'a current one is needed from where it comes'
    : `run \`${remedy}\` for a new one`
}

function timeOf(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : 'an unknown time'
}
