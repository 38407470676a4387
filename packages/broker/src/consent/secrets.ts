import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { sha256 } from '../digest.ts'

/** Consonants that are hard to mistake for one another or for digits, and spell no words (RFC 8628 §6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'

/** A secret that only its holder and its hash know: 32 random bytes. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** What proves who began a request: 37 random bytes, as existing clients expect. */
export function newVerifier(): string {
  return randomBytes(37).toString('base64url')
}

/** Eight letters for people, as `XXXX-XXXX`. */
export function newTypedCode(): string {
  const code = Array.from({ length: 8 }, () => letters.charAt(randomInt(letters.length))).join('')
  return `${code.slice(0, 4)}-${code.slice(4)}`
}

/** A typed code without what people add or change: case, hyphens, spaces. */
export function normalizeTypedCode(text: string): string {
  return text.toUpperCase().replace(/[^A-Z]/g, '')
}

/** What is stored of a typed code. */
export function hashTypedCode(text: string): string {
  return sha256(normalizeTypedCode(text))
}

/** Whether `text` is what a stored hash was made of, in a time that does not tell how nearly. */
export function matchesHash(text: string, hash: string | null): boolean {
  const given = createHash('sha256').update(text).digest()
  const expected = Buffer.from(hash ?? '', 'hex')
  // Nothing has an empty or short hash; compared all the same, so that the time does not tell.
  const comparable = expected.length === given.length ? expected : Buffer.alloc(given.length)
  return timingSafeEqual(given, comparable) && comparable === expected
}
