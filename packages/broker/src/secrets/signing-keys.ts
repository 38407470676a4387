import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Schema, SigningKeyRow } from '../store/schema.ts'
import type { KeyRing } from './key-ring.ts'
import { open, SealBroken, seal } from './seal.ts'
import { signingKeyContext } from './sealed-columns.ts'

/** What a key signs. One key per meaning, so that a token of one kind can never pass for another. */
export type SigningPurpose =
  | 'development-identity'
  | 'audit-checkpoint'
  | 'trigger-attestation'
  | 'gateway-token'

/** A signing key, ready for use. The private half can't be exported. */
export interface SigningKey {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  /** For the key set: with `kid`, `alg` and `use`. */
  readonly publicJwk: Readonly<Record<string, unknown>>
}

const algorithm = 'ES256'
const privateShape = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  d: z.string(),
})

/**
 * The ES256 key for `purpose`, made on first use. Replicas that start at the same moment get the same one.
 *
 * The public half is taken out of the sealed private one, never from the row: who can write to the database must not
 * be able to choose whose signatures are accepted.
 *
 * @throws {SealBroken | KeyMissing} when the stored key does not open
 */
export async function loadSigningKey(
  db: Kysely<Schema>,
  ring: KeyRing,
  purpose: SigningPurpose,
  now: number,
): Promise<SigningKey> {
  const stored = await readKey(db, purpose)
  if (stored !== undefined) return await openKey(ring, stored)
  await db
    .insertInto('signing_keys')
    .values(await newKey(ring, purpose, now))
    .onConflict((conflict) => conflict.column('purpose').doNothing())
    .execute()
  const winner = await readKey(db, purpose)
  if (winner === undefined) throw new Error(`The signing key for ${purpose} was not stored`)
  return await openKey(ring, winner)
}

async function readKey(db: Kysely<Schema>, purpose: SigningPurpose): Promise<SigningKeyRow | undefined> {
  return await db.selectFrom('signing_keys').selectAll().where('purpose', '=', purpose).executeTakeFirst()
}

async function newKey(ring: KeyRing, purpose: SigningPurpose, now: number) {
  const pair = await generateKeyPair(algorithm, { extractable: true })
  const privateJwk = await exportJWK(pair.privateKey)
  const { d: _secret, ...publicJwk } = privateJwk
  const id = await calculateJwkThumbprint(publicJwk)
  return {
    id,
    purpose,
    algorithm,
    public_jwk: JSON.stringify(describe(publicJwk, id)),
    private_jwk: seal(ring, signingKeyContext({ id, purpose }), JSON.stringify(privateJwk)),
    created_at: now,
  }
}

function describe(jwk: JWK, kid: string): Record<string, unknown> {
  return { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y, kid, alg: algorithm, use: 'sig' }
}

async function openKey(ring: KeyRing, row: SigningKeyRow): Promise<SigningKey> {
  const privateJwk = privateShape.parse(JSON.parse(open(ring, signingKeyContext(row), row.private_jwk)))
  const { d: _secret, ...publicJwk } = privateJwk
  // The thumbprint names the key: a row with another id was put together by hand.
  if ((await calculateJwkThumbprint(publicJwk)) !== row.id) throw new SealBroken()
  return {
    kid: row.id,
    privateKey: await asCryptoKey(privateJwk, false),
    publicKey: await asCryptoKey(publicJwk, true),
    publicJwk: Object.freeze(describe(publicJwk, row.id)),
  }
}

async function asCryptoKey(jwk: JWK, extractable: boolean): Promise<CryptoKey> {
  const key = await importJWK(jwk, algorithm, { extractable })
  if (key instanceof Uint8Array) throw new TypeError('Not an asymmetric key')
  return key
}
