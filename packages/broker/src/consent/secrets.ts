import { createHash, createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { sha256 } from '../digest.ts'

/** Consonants that are hard to mistake for one another or for digits, and spell no words (RFC 8628 §6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'

/** A secret that only its holder and its hash know: 32 random bytes. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** The state of a request at its provider. It names the request, so that a second use can say what came of the first. */
export function newState(requestId: string): string {
  return `${requestId}.${newSecret()}`
}

/** The request that a state names, whether or not the state is one of its. */
export function requestOfState(state: string): string | undefined {
  return /^(ask_[\w-]{20})\.[\w-]{43}$/.exec(state)?.[1]
}

/** What proves who began a request: 37 random bytes, as existing clients expect. */
export function newVerifier(): string {
  return randomBytes(37).toString('base64url')
}

/** Eight letters for people, as `XXXX-XXXX`. */
export function newTypedCode(): string {
  return hyphenated(Array.from({ length: 8 }, () => letters.charAt(randomInt(letters.length))).join(''))
}

/**
 * The code that a browser shows for a request to which it consented, as `XXXX-XXXX`. It is made of the secret in the
 * browser's cookie, so that a reload shows it again though nothing more than its hash is stored.
 */
export function typedCodeOf(browserSecret: string, requestId: string): string {
  let code = ''
  for (let block = 0; code.length < 8; block++) {
    const text = `valetkey typed code ${block} ${requestId}`
    for (const byte of createHmac('sha256', browserSecret).update(text).digest()) {
      // The largest multiple of 20 in a byte: every letter is as likely as any other.
      if (byte < 240 && code.length < 8) code += letters.charAt(byte % letters.length)
    }
  }
  return hyphenated(code)
}

function hyphenated(code: string): string {
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
