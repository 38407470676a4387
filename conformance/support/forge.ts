import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { CompactSign, type CryptoKey } from 'jose'

/** A part of a compact token, from any text or JSON. */
export function encodePart(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** A token with a signature of one's own making. */
export function forge(header: unknown, payload: unknown, signature = 'c2lnbmF0dXJl'): string {
  return `${encodePart(header)}.${encodePart(payload)}.${signature}`
}

/** Signs any text, also one that is no JSON or names a member twice. */
export async function signText(
  payload: string | Uint8Array,
  key: CryptoKey,
  header: Readonly<Record<string, unknown>>,
): Promise<string> {
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload
  const alg = typeof header.alg === 'string' ? header.alg : 'ES256'
  // jose refuses to sign under extensions that it does not know; the attacker's library would not.
  const crit = Object.fromEntries(Object.keys(header).map((name) => [name, true]))
  return new CompactSign(bytes).setProtectedHeader({ ...header, alg }).sign(key, { crit })
}

/** HS256 tokens keyed with each spelling of a public key that a careless verifier might use as a secret. */
export function keyedWithPublicKey(publicJwk: Readonly<Record<string, unknown>>, payload: unknown): string[] {
  const key = createPublicKey({ key: publicJwk as JsonWebKey, format: 'jwk' })
  const secrets: (string | Buffer)[] = [
    key.export({ type: 'spki', format: 'pem' }),
    key.export({ type: 'spki', format: 'pem' }).toString().trim(),
    key.export({ type: 'spki', format: 'der' }),
    JSON.stringify(publicJwk),
    Buffer.from(String(publicJwk.x ?? publicJwk.n), 'base64url'),
    '',
  ]
  return secrets.map((secret) => {
    const text = `${encodePart({ alg: 'HS256', typ: 'JWT', kid: publicJwk.kid })}.${encodePart(payload)}`
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  })
}
