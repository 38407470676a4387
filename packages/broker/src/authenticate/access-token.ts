import { createHash, randomBytes } from 'node:crypto'

/** An access token at its birth: the only moment its secret exists outside its holder's hands. */
export interface NewAccessToken {
  /** `vat_…`: names the token in lists and the audit. */
  readonly id: string
  /** `vk_…`, shown once and never stored. */
  readonly secret: string
  /** What is stored. */
  readonly secretHash: string
}

const prefix = 'vk_'

/** Makes an access token with 256 bits of randomness; its secret starts with its id, so that a leaked one can be named. */
export function newAccessToken(): NewAccessToken {
  const idPart = randomBytes(8).toString('hex')
  const secret = `${prefix}${idPart}_${randomBytes(32).toString('base64url')}`
  return { id: `vat_${idPart}`, secret, secretHash: hashAccessToken(secret) }
}

/**
 * SHA-256 of a secret, in hex. A plain hash is enough for 256 random bits, and looking a row up by it leaks
 * nothing by its timing: whoever guesses can't choose the hash.
 */
export function hashAccessToken(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** Whether a credential is an access token rather than an identity: no JWT starts like one. */
export function looksLikeAccessToken(credential: string): boolean {
  return credential.startsWith(prefix)
}
