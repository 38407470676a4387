/** The claims of an identity that say whose it is; nothing else of it is shown. */
export interface ShownClaims {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string | readonly string[]
  /** Seconds since the epoch. */
  readonly exp?: number
}

const maximumLength = 120

/** Reads the claims of a JWT without verifying it; nothing when it is no JWT, as an access token is. */
export function shownClaims(credential: string): ShownClaims | undefined {
  const payload = credential.split('.')
  if (payload.length !== 3) return undefined
  let claims: unknown
  try {
    claims = JSON.parse(Buffer.from(payload[1] ?? '', 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof claims !== 'object' || claims === null) return undefined
  const { iss, sub, aud, exp } = claims as Readonly<Record<string, unknown>>
  const audience = Array.isArray(aud) ? aud.filter((item) => typeof item === 'string').map(shortened) : aud
  return {
    ...(typeof iss === 'string' ? { iss: shortened(iss) } : {}),
    ...(typeof sub === 'string' ? { sub: shortened(sub) } : {}),
    ...(typeof audience === 'string' ? { aud: shortened(audience) } : {}),
    ...(Array.isArray(audience) ? { aud: audience } : {}),
    ...(typeof exp === 'number' && Number.isFinite(exp) ? { exp } : {}),
  }
}

function shortened(text: string): string {
  return text.length <= maximumLength ? text : `${text.slice(0, maximumLength - 1)}…`
}
