import { asRecord } from '../http/parse-json.ts'
import { refused } from './refused.ts'

/** What the claims of an attestation must be. */
export interface Expected {
  /** The issuing point's address. */
  readonly base: string
  readonly project: string
  readonly environment: string
  readonly destination: URL
}

/** What is left to compare with the body and with earlier attestations. */
export interface Attested {
  readonly request: string
  readonly connector: { readonly id: string; readonly uid: string }
  readonly digest: string
  readonly jti: string
  readonly expiresAtMs: number
}

const maxLifeSeconds = 60
/** How far the issuing point's clock may be ahead of this one. */
const clockLeewaySeconds = 5
const maxIdLength = 512

/** Checks the claims of an attestation whose signature was good. */
export function checkClaims(claims: Record<string, unknown>, expected: Expected, nowMs: number): Attested {
  const { iss, aud, project, environment, destination, request, digest, iat, exp, jti } = claims
  if (iss !== expected.base) throw refused('it is from another issuing point')
  const { id, name } = asRecord(project) ?? {}
  // As everywhere: what begins with `prj_` is an id, which no name may; or a project could be named like another's id.
  const named = expected.project.startsWith('prj_') ? id : name
  if (named !== expected.project) throw refused('it is for another project')
  if (environment !== expected.environment) throw refused('it is for another environment')
  if (aud !== expected.destination.origin) throw refused('it is for another audience')
  if (!isSameAddress(destination, expected.destination)) throw refused('it is for another destination')
  if (typeof iat !== 'number' || typeof exp !== 'number' || !(exp > iat && exp - iat <= maxLifeSeconds))
    throw refused('it does not live for at most a minute')
  const nowSeconds = nowMs / 1000
  if (!(iat <= nowSeconds + clockLeewaySeconds)) throw refused('it was issued in the future')
  if (!(nowSeconds < exp)) throw refused('it has expired')
  const connector = asRecord(claims.connector)
  if (!isId(jti) || !isId(request) || !isId(digest) || !isId(connector?.id) || !isId(connector.uid))
    throw refused('it lacks a claim')
  return {
    request,
    connector: { id: connector.id, uid: connector.uid },
    digest,
    jti,
    expiresAtMs: exp * 1000,
  }
}

// Both sides through the URL parser: `https://app.example` was given where a request shows `https://app.example/`.
function isSameAddress(value: unknown, expected: URL): boolean {
  return typeof value === 'string' && URL.canParse(value) && new URL(value).href === expected.href
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxIdLength
}
