import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose'
import * as z from 'zod'
import { type ChainHead, chainHeadSchema } from './chain.ts'

const type = 'vk-checkpoint+jwt'
const algorithm = 'ES256'

/** The key of checkpoints, which signs nothing but statements about the trail: these and anchors. */
export interface CheckpointKey {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
}

/** Signs heads; gives a compact JWS of type `vk-checkpoint+jwt`, ES256, claims `iss`, `iat` (seconds), `heads`. */
export type CheckpointSigner = (heads: readonly ChainHead[]) => Promise<string>

/** Creates a signer; `publicUrl` becomes `iss`. */
export function createCheckpointSigner(options: {
  readonly key: CheckpointKey
  readonly publicUrl: string
  readonly now: () => number
}): CheckpointSigner {
  return (heads) => {
    const claims = { heads: heads.map(({ chain, seq, hash }) => ({ chain, seq, hash })) }
    return signStatement({ ...options, type, claims })
  }
}

/** Signs a statement about the trail. `type` says what it means: one kind must never pass for another. */
export function signStatement(statement: {
  readonly key: Pick<CheckpointKey, 'kid' | 'privateKey'>
  readonly publicUrl: string
  readonly now: () => number
  readonly type: string
  readonly claims: JWTPayload
}): Promise<string> {
  const { key, publicUrl, now } = statement
  return new SignJWT(statement.claims)
    .setProtectedHeader({ alg: algorithm, typ: statement.type, kid: key.kid })
    .setIssuer(publicUrl)
    .setIssuedAt(Math.floor(now() / 1000))
    .sign(key.privateKey)
}

/** A checkpoint after its signature was looked at; one that is not trusted proves nothing and says why. */
export type VerifiedCheckpoint =
  | {
      readonly trusted: true
      readonly issuer: string
      readonly signedAtMs: number
      readonly heads: readonly ChainHead[]
    }
  | { readonly trusted: false; readonly problem: string }

const claimsSchema = z.object({
  iss: z.string(),
  iat: z.number(),
  heads: z.array(chainHeadSchema),
})

/**
 * Checks a checkpoint's signature and shape. Never throws.
 *
 * `keys` must come from somewhere the verifier trusts (the broker over TLS, a file of one's own), including
 * keys rotated out since: the keys inside an export say nothing about who made the export. Without `issuer`
 * any issuer with such a key will do: a broker's public URL may have changed over the years.
 */
export async function verifyCheckpoint(
  jws: string,
  options: { readonly keys: JSONWebKeySet; readonly issuer?: string },
): Promise<VerifiedCheckpoint> {
  const verified = await verifyStatement(jws, { ...options, type, what: 'checkpoint', claims: claimsSchema })
  if (!verified.trusted) return verified
  const { iss, iat, heads } = verified.claims
  return { trusted: true, issuer: iss, signedAtMs: iat * 1000, heads }
}

/** Checks the signature, the type and the shape of what {@link signStatement} gave. Never throws. */
export async function verifyStatement<Claims>(
  jws: string,
  expected: {
    readonly keys: JSONWebKeySet
    readonly issuer?: string
    readonly type: string
    /** What it is called in problems. */
    readonly what: string
    readonly claims: z.ZodType<Claims>
  },
): Promise<
  { readonly trusted: true; readonly claims: Claims } | { readonly trusted: false; readonly problem: string }
> {
  const { keys, issuer, what } = expected
  let payload: JWTPayload
  try {
    const verified = await jwtVerify(jws, createLocalJWKSet(keys), {
      typ: expected.type,
      algorithms: [algorithm],
      ...(issuer !== undefined && { issuer }),
    })
    payload = verified.payload
  } catch (error) {
    return { trusted: false, problem: problemOf(error, what) }
  }
  const claims = expected.claims.safeParse(payload)
  if (!claims.success) return { trusted: false, problem: `the ${what} lacks its claims` }
  return { trusted: true, claims: claims.data }
}

function problemOf(error: unknown, what: string): string {
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return `the ${what} is signed by a key that is not trusted here`
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return `the ${what}'s signature is wrong`
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'iss' ? `the ${what} is of another issuer` : `the signed text is no ${what}`
  }
  return `the text is no ${what}`
}

const compactJws = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * Finds the checkpoints in a file: a bare JWS, JSON log lines with a field `checkpoint` (also behind a prefix,
 * as container runtimes add one), an export (its last line), or several of these. Checks nothing; none found is
 * an empty list, which a caller who asked for a proof must refuse.
 */
export function readCheckpoints(text: string): string[] {
  const whole = checkpointIn(text)
  if (whole !== undefined) return [whole]
  // An export may have millions of lines without one.
  const lines = text.split('\n').filter((line) => line.includes('checkpoint') || compactJws.test(line.trim()))
  return lines.map(checkpointIn).filter((jws) => jws !== undefined)
}

function checkpointIn(text: string): string | undefined {
  const trimmed = text.trim()
  if (compactJws.test(trimmed)) return trimmed
  const start = trimmed.indexOf('{')
  if (start === -1) return undefined
  let value: unknown
  try {
    value = JSON.parse(trimmed.slice(start))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  if ('checkpoint' in value && typeof value.checkpoint === 'string') return value.checkpoint
  if ('type' in value && value.type === 'checkpoint' && 'jws' in value && typeof value.jws === 'string') {
    return value.jws
  }
  return undefined
}
