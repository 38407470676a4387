import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'

/**
 * The keys of an installation, by id; the first encrypts, all decrypt. Holds no key material that printing,
 * serializing or comparing it could show.
 */
export interface KeyRing {
  readonly ids: readonly string[]
  readonly primaryId: string
}

/** The text of a key ring can't be used. The message says why and names the key's id, never a value. */
export class KeyRingInvalid extends Error {
  override readonly name = 'KeyRingInvalid'
}

interface KeyMaterial {
  readonly wrapping: KeyObject
  readonly root: KeyObject
}

// Outside the ring, so that no log, error or inspection of a ring reaches it.
const materials = new WeakMap<KeyRing, ReadonlyMap<string, KeyMaterial>>()
const digestKeys = new WeakMap<KeyRing, Map<string, KeyObject>>()

const keyBytes = 32
const idShape = /^[A-Za-z0-9_-]{1,32}$/
const howToMake = 'make one with: echo "k1:$(openssl rand -base64 32)"'

/**
 * Reads `VALETKEY_KEYS`: `id:base64,id2:base64`, 32 bytes each, the first encrypts. Base64 or base64url, padded or
 * not.
 *
 * @throws {KeyRingInvalid}
 */
export function parseKeyRing(text: string): KeyRing {
  const entries = text.trim() === '' ? [] : text.split(',').map((entry) => entry.trim())
  const keys = new Map<string, KeyMaterial>()
  entries.forEach((entry, index) => {
    const colon = entry.indexOf(':')
    // What stands before a missing or odd separator may be the secret itself: only its position is named.
    if (colon === -1)
      throw new KeyRingInvalid(`Key ${index + 1} in VALETKEY_KEYS is not of the form id:base64.`)
    const id = entry.slice(0, colon)
    if (!idShape.test(id)) {
      throw new KeyRingInvalid(
        `Key ${index + 1} in VALETKEY_KEYS has an unusable id: 1 to 32 letters, digits, "_" or "-".`,
      )
    }
    if (keys.has(id)) throw new KeyRingInvalid(`The key "${id}" appears twice in VALETKEY_KEYS.`)
    keys.set(id, materialOf(decodeKey(id, entry.slice(colon + 1))))
  })
  const ids = Object.freeze([...keys.keys()])
  const primaryId = ids[0]
  if (primaryId === undefined) throw new KeyRingInvalid(`VALETKEY_KEYS holds no key: ${howToMake}.`)
  const ring: KeyRing = Object.freeze({ ids, primaryId })
  materials.set(ring, keys)
  return ring
}

function decodeKey(id: string, value: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) {
    throw new KeyRingInvalid(`The key "${id}" in VALETKEY_KEYS is not base64.`)
  }
  const bytes = Buffer.from(value, 'base64url')
  if (bytes.length !== keyBytes) {
    throw new KeyRingInvalid(
      `The key "${id}" in VALETKEY_KEYS has ${bytes.length} bytes instead of ${keyBytes}: ${howToMake}.`,
    )
  }
  return bytes
}

/** A key does one thing: what encrypts is derived apart from what makes digests. */
function derive(root: Buffer | KeyObject, meaning: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', root, '', `valetkey/${meaning}`, keyBytes)))
}

function materialOf(bytes: Buffer): KeyMaterial {
  return { wrapping: derive(bytes, 'wrap'), root: createSecretKey(bytes) }
}

/** The key that wraps data keys, or undefined when the ring lacks `id`. For `seal.ts` only. */
export function wrappingKey(ring: KeyRing, id: string): KeyObject | undefined {
  return materials.get(ring)?.get(id)?.wrapping
}

/** A new key: its id, which says the day and never repeats, and `id:base64` for `VALETKEY_KEYS`. */
export function generateKey(now: number): { readonly id: string; readonly text: string } {
  const day = new Date(now).toISOString().slice(0, 10).replaceAll('-', '')
  const id = `k${day}-${randomBytes(3).toString('hex')}`
  return { id, text: `${id}:${randomBytes(keyBytes).toString('base64')}` }
}

/**
 * A digest that only the holder of the ring can compute: `<key id>:<hex>`. For values that could be guessed or are
 * still in use, which a plain hash would confirm. Stays comparable until the primary key changes.
 */
export function hmac(ring: KeyRing, purpose: string, value: string): string {
  let keys = digestKeys.get(ring)
  if (keys === undefined) {
    keys = new Map()
    digestKeys.set(ring, keys)
  }
  let key = keys.get(purpose)
  if (key === undefined) {
    const root = materials.get(ring)?.get(ring.primaryId)?.root
    if (root === undefined) throw new TypeError('Not a key ring that parseKeyRing made')
    key = derive(root, `digest/${purpose}`)
    keys.set(purpose, key)
  }
  return `${ring.primaryId}:${createHmac('sha256', key).update(value).digest('hex')}`
}
