import { createHash, timingSafeEqual } from 'node:crypto'

/** What an S256 challenge looks like: 32 bytes in base64url (RFC 7636 §4.2). */
export function isCodeChallenge(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text)
}

/** Whether a verifier is the one that a challenge was made from (RFC 7636 §4.6), in constant time. */
export function verifiesChallenge(verifier: string, challenge: string): boolean {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return false
  const made = createHash('sha256').update(verifier).digest()
  const kept = Buffer.from(challenge, 'base64url')
  return made.length === kept.length && timingSafeEqual(made, kept)
}
