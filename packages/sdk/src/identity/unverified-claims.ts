import { parseJsonObject } from '../http/parse-json.ts'

/** The claims of a JWT that protect the caller from itself. They prove nothing: no signature was checked. */
export interface UnverifiedClaims {
  /** Every entry of `aud`, whether it was one string or a list. */
  readonly audiences: readonly string[]
  /** `exp`, seconds since the epoch. */
  readonly expiresAtSeconds: number | undefined
  /** `iss`. */
  readonly issuer: string | undefined
  /** `sub`. */
  readonly subject: string | undefined
}

/** Reads a JWT (RFC 7519) without verifying it, or returns undefined for anything else, such as an access token. */
export function unverifiedClaims(token: string): UnverifiedClaims | undefined {
  const parts = token.split('.')
  if (parts.length !== 3 || decodeJson(parts[0]) === undefined) return undefined
  const claims = decodeJson(parts[1])
  if (claims === undefined) return undefined
  const { aud, exp, iss, sub } = claims
  const audiences = (Array.isArray(aud) ? aud : [aud]).filter((entry) => typeof entry === 'string')
  return {
    audiences,
    expiresAtSeconds: typeof exp === 'number' ? exp : undefined,
    issuer: typeof iss === 'string' ? iss : undefined,
    subject: typeof sub === 'string' ? sub : undefined,
  }
}

function decodeJson(part: string | undefined): Record<string, unknown> | undefined {
  if (part === undefined) return undefined
  try {
    const binary = atob(part.replace(/-/g, '+').replace(/_/g, '/'))
    return parseJsonObject(new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0))))
  } catch {
    return undefined
  }
}
