import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { type KeyRing, wrappingKey } from './key-ring.ts'

/**
 * Where a sealed value belongs. It opens only with the same context: moved to another row or column, relabelled to
 * another owner, or put back after `version` grew, it does not.
 */
export interface SealContext {
  readonly table: string
  readonly column: string
  readonly rowId: string
  readonly version: number
  readonly connectorId?: string
  readonly projectId?: string
  readonly environment?: string
  readonly issuer?: string
  readonly userId?: string
  readonly installationId?: string
}

/** A sealed value is damaged, or not the one that belongs here. Says no more, on purpose. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken'

  constructor() {
    super('A sealed value did not open: it was changed, moved, or belongs to another row or version.')
  }
}

/** A value was sealed with a key that the ring lacks. */
export class KeyMissing extends Error {
  override readonly name = 'KeyMissing'
  readonly keyId: string

  constructor(keyId: string) {
    super(
      `A value was encrypted with key "${keyId}", which VALETKEY_KEYS does not contain: add that key back.`,
    )
    this.keyId = keyId
  }
}

const ivBytes = 12
const tagBytes = 16
const keyBytes = 32
const wrappedBytes = ivBytes + keyBytes + tagBytes

/**
 * Every field in a fixed order as a JSON array, where an absent one is `null` and an empty one `""`: no two contexts
 * share an encoding. `part` keeps a wrapped key from passing for a value.
 */
function associatedData(context: SealContext, part: 'value' | `key ${string}`): Buffer {
  // JSON would write NaN and Infinity as null, all alike.
  if (!Number.isSafeInteger(context.version))
    throw new RangeError('The version of a sealed value is an integer')
  const fields = [
    ...['valetkey.seal.v1', part],
    ...[context.table, context.column, context.rowId, context.version],
    ...[context.connectorId ?? null, context.projectId ?? null, context.environment ?? null],
    ...[context.issuer ?? null, context.userId ?? null, context.installationId ?? null],
  ]
  return Buffer.from(JSON.stringify(fields))
}

/** IV, ciphertext and tag in one. Random IVs: a wrapping key is good for 2^32 values, after which it is rotated. */
function encrypt(key: KeyObject, data: Buffer, plaintext: Buffer): Buffer {
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
  cipher.setAAD(data)
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: KeyObject, data: Buffer, sealed: Buffer): Buffer {
  if (sealed.length < ivBytes + tagBytes) throw new SealBroken()
  const end = sealed.length - tagBytes
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, ivBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(data)
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(ivBytes, end))
  try {
    decipher.final()
  } catch {
    // Nothing of what OpenSSL says, and none of the unauthenticated plaintext.
    throw new SealBroken()
  }
  return plaintext
}

/** Seals `plaintext` for `context`, as `v1.<key id>.<wrapped data key>.<value>`, under a data key of its own. */
export function seal(ring: KeyRing, context: SealContext, plaintext: string): string {
  const dataKey = randomBytes(keyBytes)
  const value = encrypt(createSecretKey(dataKey), associatedData(context, 'value'), Buffer.from(plaintext))
  return join(ring.primaryId, wrap(ring, context, dataKey), value.toString('base64url'))
}

/**
 * The plaintext of a value sealed for exactly this context.
 *
 * @throws {SealBroken} when it was changed, moved, relabelled or rolled back
 * @throws {KeyMissing} when its key is not in the ring
 */
export function open(ring: KeyRing, context: SealContext, sealed: string): string {
  const parts = split(sealed)
  const dataKey = createSecretKey(unwrap(ring, context, parts))
  return decrypt(dataKey, associatedData(context, 'value'), decode(parts.value)).toString('utf8')
}

/**
 * The same sealed value with its data key wrapped by the ring's primary key; undefined when it already is. The value
 * itself is neither decrypted nor changed.
 *
 * @throws {SealBroken | KeyMissing} as {@link open} does
 */
export function rewrap(ring: KeyRing, context: SealContext, sealed: string): string | undefined {
  const parts = split(sealed)
  if (parts.keyId === ring.primaryId) return undefined
  return join(ring.primaryId, wrap(ring, context, unwrap(ring, context, parts)), parts.value)
}

/** The id of the key that a value is sealed with. */
export function sealedWith(sealed: string): string {
  return split(sealed).keyId
}

interface Parts {
  readonly keyId: string
  readonly wrapped: string
  readonly value: string
}

const prefix = 'v1'

function join(keyId: string, wrapped: string, value: string): string {
  return `${prefix}.${keyId}.${wrapped}.${value}`
}

function split(sealed: string): Parts {
  const [version, keyId, wrapped, value, ...rest] = sealed.split('.')
  if (version !== prefix || wrapped === undefined || value === undefined || rest.length > 0) {
    throw new SealBroken()
  }
  // The id goes into an error message: nothing else that may stand here does.
  if (keyId === undefined || !/^[A-Za-z0-9_-]{1,32}$/.test(keyId)) throw new SealBroken()
  return { keyId, wrapped, value }
}

function wrap(ring: KeyRing, context: SealContext, dataKey: Buffer): string {
  const key = wrappingKey(ring, ring.primaryId)
  if (key === undefined) throw new TypeError('Not a key ring that parseKeyRing made')
  return encrypt(key, associatedData(context, `key ${ring.primaryId}`), dataKey).toString('base64url')
}

function unwrap(ring: KeyRing, context: SealContext, { keyId, wrapped }: Parts): Buffer {
  const key = wrappingKey(ring, keyId)
  if (key === undefined) throw new KeyMissing(keyId)
  const bytes = decode(wrapped)
  if (bytes.length !== wrappedBytes) throw new SealBroken()
  return decrypt(key, associatedData(context, `key ${keyId}`), bytes)
}

/** Only the canonical spelling: Buffer ignores what it does not know and the unused bits of the last letter. */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw new SealBroken()
  return bytes
}
