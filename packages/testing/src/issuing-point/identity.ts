import { type Outcome, refuse } from './wire.ts'

const tenYearsSeconds = 315_360_000

/**
 * A well-formed JWT without a signature. It outlives every test, also one that moves the clock by a month; what an
 * expired identity leads to is told with `failures`.
 */
export function unsignedIdentity(audience: string, nowMs: number): string {
  const iat = Math.floor(nowMs / 1000)
  const claims = {
    ...{ iss: 'https://issuer.valetkey.test', sub: 'project:mock:environment:test', aud: audience },
    ...{ iat, exp: iat + tenYearsSeconds, jti: crypto.randomUUID() },
  }
  return [{ alg: 'none', typ: 'JWT' }, claims].map((part) => `${encode(part)}.`).join('') + encode('unsigned')
}

/** Who asks. Anybody who shows an identity that has not expired: whose it is, nobody has verified. */
export function readIdentity(
  authorization: string | null,
  nowMs: number,
): Outcome<{ readonly claims?: Readonly<Record<string, unknown>> }> {
  const [, credential] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? []
  if (credential === undefined)
    return refuse('identity_invalid', 'No identity was sent: put it in "Authorization: Bearer …"')
  const [, payload, ...rest] = credential.split('.')
  const claims = rest.length === 1 ? decode(payload) : undefined
  if (claims === undefined) return { body: {} }
  if (typeof claims.exp === 'number' && claims.exp * 1000 <= nowMs)
    return refuse('identity_expired', 'The identity has expired: obtain a new one')
  return { body: { claims } }
}

function encode(value: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(value))
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function decode(part = ''): Readonly<Record<string, unknown>> | undefined {
  try {
    const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}
