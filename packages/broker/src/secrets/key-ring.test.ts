import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { generateKey, hmac, parseKeyRing } from './key-ring.ts'

const bytes = randomBytes(32)
const first = `k1:${bytes.toString('base64')}`
const second = `k2:${randomBytes(32).toString('base64')}`

function failure(text: string): string {
  try {
    parseKeyRing(text)
  } catch (error) {
    expect(error).toMatchObject({ name: 'KeyRingInvalid' })
    return error instanceof Error ? error.message : ''
  }
  throw new Error('It was accepted')
}

describe('parseKeyRing', () => {
  it('reads the ids in order, the first being the one that encrypts', () => {
    expect(parseKeyRing(`${first},${second}`)).toEqual({ ids: ['k1', 'k2'], primaryId: 'k1' })
    expect(parseKeyRing(` ${second} , ${first}\n`)).toEqual({ ids: ['k2', 'k1'], primaryId: 'k2' })
  })

  it('accepts base64 and base64url, padded or not, as the same key', () => {
    const spellings = [
      bytes.toString('base64'),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
      `${bytes.toString('base64url')}=`,
    ]
    const digests = spellings.map((value) => hmac(parseKeyRing(`k1:${value}`), 'test', 'value'))
    expect(new Set(digests).size).toBe(1)
  })

  const short = randomBytes(31).toString('base64')
  const long = randomBytes(33).toString('base64')
  it.each([
    ['nothing', '', 'VALETKEY_KEYS holds no key: make one with'],
    ['blanks', '  \n', 'VALETKEY_KEYS holds no key'],
    ['a key without an id', bytes.toString('base64'), 'Key 1 in VALETKEY_KEYS is not of the form id:base64.'],
    ['a trailing comma', `${first},`, 'Key 2 in VALETKEY_KEYS is not of the form'],
    ['an id that is too long', `${'a'.repeat(33)}:${short}`, 'Key 1 in VALETKEY_KEYS has an unusable id'],
    ['an id with other characters', `k.1:${short}`, 'Key 1 in VALETKEY_KEYS has an unusable id'],
    ['an empty id', `:${short}`, 'Key 1 in VALETKEY_KEYS has an unusable id'],
    ['too few bytes', `k3:${short}`, 'The key "k3" in VALETKEY_KEYS has 31 bytes instead of 32'],
    ['too many bytes', `k3:${long}`, 'The key "k3" in VALETKEY_KEYS has 33 bytes instead of 32'],
    ['no bytes', 'k3:', 'The key "k3" in VALETKEY_KEYS has 0 bytes instead of 32'],
    ['other characters', `k3:!${short}`, 'The key "k3" in VALETKEY_KEYS is not base64.'],
    ['padding inside', `k3:AA=${short}`, 'The key "k3" in VALETKEY_KEYS is not base64.'],
    ['an id twice', `${first},k1:${second.slice(3)}`, 'The key "k1" appears twice in VALETKEY_KEYS.'],
  ])('refuses %s in one clear sentence without the value', (_case, text, message) => {
    const said = failure(text)
    expect(said).toContain(message)
    for (const value of [short, long, first.slice(3), second.slice(3)]) {
      expect(said).not.toContain(value.slice(0, 8))
    }
  })

  it('S26 shows no key material when it is printed, serialized or spread', () => {
    const ring = parseKeyRing(`${first},${second}`)
    const shown = inspect({ ring, copy: { ...ring } }, { depth: 20, showHidden: true }) + JSON.stringify(ring)
    for (const spelling of [bytes.toString('base64'), bytes.toString('hex')]) {
      expect(shown).not.toContain(spelling.slice(0, 8))
    }
    expect(shown.toLowerCase()).not.toContain('buffer')
  })
})

describe('generateKey', () => {
  it('makes keys that parse, each with an id of its own that says the day', () => {
    const now = Date.UTC(2026, 10, 21)
    const keys = Array.from({ length: 20 }, () => generateKey(now))
    expect(new Set(keys.map(({ id }) => id)).size).toBe(20)
    expect(keys[0]?.id).toMatch(/^k20261121-[0-9a-f]{6}$/)
    const ring = parseKeyRing(keys.map(({ text }) => text).join(','))
    expect(ring.ids).toEqual(keys.map(({ id }) => id))
  })
})

describe('hmac', () => {
  const ring = parseKeyRing(`${first},${second}`)

  it('gives the same digest for the same value, named by the key that made it', () => {
    expect(hmac(ring, 'audit', 'token')).toMatch(/^k1:[0-9a-f]{64}$/)
    expect(hmac(ring, 'audit', 'token')).toBe(hmac(parseKeyRing(first), 'audit', 'token'))
  })

  it('differs by value, purpose and key', () => {
    const digests = [
      hmac(ring, 'audit', 'token'),
      hmac(ring, 'audit', 'token2'),
      hmac(ring, 'other', 'token'),
      hmac(parseKeyRing(second), 'audit', 'token'),
    ].map((digest) => digest.slice(digest.indexOf(':')))
    expect(new Set(digests).size).toBe(4)
  })
})
