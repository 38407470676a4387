import { compactVerify, decodeProtectedHeader, errors } from 'jose'
import { ConnectError } from '../errors/connect-error.ts'
import { waitFor } from '../exchange/flight.ts'
import { asRecord, parseJsonObject } from '../http/parse-json.ts'
import { issuingPointKeys } from './issuing-point-keys.ts'
import { refused } from './refused.ts'

const maxAttestationLength = 16_384
const keysTimeoutMs = 5000

/** The attestation in a request's `Authorization` header, not verified yet. */
export function attestationOf(headers: Headers): string {
  const header = headers.get('authorization')
  if (header === null) throw refused('the request has none')
  const [, attestation] = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(header) ?? []
  if (attestation === undefined || attestation.length > maxAttestationLength)
    throw refused('the Authorization header holds none')
  checkHeader(attestation)
  return attestation
}

// Before any key is fetched, so that what is plainly no attestation costs the issuing point nothing.
function checkHeader(attestation: string): void {
  let header: Record<string, unknown> | undefined
  try {
    header = asRecord(decodeProtectedHeader(attestation))
  } catch {
    header = undefined
  }
  // Identities, gateway tokens and checkpoints are signed by the same issuing point: the type alone tells them apart.
  if (header?.typ !== 'vk-trigger+jwt') throw refused('the token is of another type')
  if (header.alg !== 'ES256') throw refused('its algorithm is not ES256')
  if (typeof header.kid !== 'string' || header.kid === '') throw refused('it names no key')
}

/**
 * The claims of an attestation that one of the issuing point's published keys signed. A key or an address in its own
 * header counts for nothing.
 */
export async function verifiedClaims(
  attestation: string,
  base: string,
  fetch: typeof globalThis.fetch,
): Promise<Record<string, unknown>> {
  const keys = issuingPointKeys(base, fetch)
  const limit = { timeoutMs: keysTimeoutMs, limitMs: keysTimeoutMs, signal: undefined, connector: undefined }
  try {
    const { payload } = await compactVerify(
      attestation,
      (header, token) => waitFor(keys(header, token), limit).catch(asKeyError),
      { algorithms: ['ES256'] },
    )
    const claims = parseJsonObject(new TextDecoder().decode(payload))
    if (claims !== undefined) return claims
  } catch (error) {
    if (error instanceof ConnectError) throw error
    throw refused('its signature is not the issuing point’s')
  }
  throw refused('it holds no claims')
}

// That no published key fits is the attestation's fault; everything else is the issuing point's.
function asKeyError(error: unknown): never {
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    throw refused('it is not signed with a key of the issuing point')
  throw new ConnectError("The issuing point's keys could not be read", { code: 'unavailable' })
}
