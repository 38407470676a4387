import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { generateKey, type KeyRing, parseKeyRing } from './key-ring.ts'
import { open, rewrap, type SealContext, seal, sealedWith } from './seal.ts'

const keys = { k1: randomBytes(32).toString('base64'), k2: randomBytes(32).toString('base64') }
const ringOf = (...ids: (keyof typeof keys)[]): KeyRing =>
  parseKeyRing(ids.map((id) => `${id}:${keys[id]}`).join(','))
const ring = ringOf('k1')

const context: SealContext = {
  table: 'grants',
  column: 'refresh_token',
  rowId: 'grt_1',
  version: 3,
  connectorId: 'con_1',
  projectId: 'prj_1',
  environment: 'production',
  issuer: 'https://issuer.example',
  userId: 'user_1',
  installationId: 'ins_1',
}
const secret = 'ghs_a secret – ünïcode ✓'

function failure(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('It opened')
}

describe('seal and open', () => {
  it.each(['', 'a', secret, 'x'.repeat(100_000)])('gives back what was sealed', (text) => {
    expect(open(ring, context, seal(ring, context, text))).toBe(text)
  })

  it('S25 shows nothing of the secret, and never seals the same way twice', () => {
    const sealed = Array.from({ length: 50 }, () => seal(ring, context, secret))
    expect(new Set(sealed.flatMap((text) => text.split('.').slice(2))).size).toBe(100)
    for (const text of sealed) {
      expect(text).toMatch(/^v1\.k1\.[A-Za-z0-9_-]{80}\.[A-Za-z0-9_-]+$/)
      expect(Buffer.from(text.split('.')[3] ?? '', 'base64url').toString('latin1')).not.toContain('secret')
    }
  })

  const elsewhere: readonly (readonly [string, Partial<SealContext>])[] = [
    ['another table', { table: 'connectors' }],
    ['another column', { column: 'access_token' }],
    ['another row', { rowId: 'grt_2' }],
    ['a newer version of its row', { version: 4 }],
    ['an older version of its row', { version: 2 }],
    ['another connector', { connectorId: 'con_2' }],
    ['another project', { projectId: 'prj_2' }],
    ['another environment', { environment: 'development' }],
    ['another issuer', { issuer: 'https://issuer.example/' }],
    ['another user', { userId: 'user_2' }],
    ['another installation', { installationId: 'ins_2' }],
  ]
  it.each(elsewhere)('S25 ciphertext moved to %s does not open', (_case, change) => {
    const there = { ...context, ...change }
    const error = failure(() => open(ring, there, seal(ring, context, secret)))
    expect(error.name).toBe('SealBroken')
    expect(failure(() => rewrap(ringOf('k2', 'k1'), there, seal(ring, context, secret))).name).toBe(
      'SealBroken',
    )
  })

  it('S25 an owner that is absent, empty, or under another name is another owner', () => {
    const { userId: _userId, installationId: _installationId, ...less } = context
    const owners: SealContext[] = [
      less,
      { ...less, userId: '' },
      { ...less, userId: 'null' },
      { ...less, installationId: '' },
      { ...less, userId: 'a', installationId: 'b' },
      { ...less, userId: 'a","b' },
      { ...less, userId: 'b', installationId: 'a' },
    ]
    const sealed = owners.map((owner) => seal(ring, owner, secret))
    owners.forEach((owner, at) => {
      sealed.forEach((text, from) => {
        if (at === from) expect(open(ring, owner, text)).toBe(secret)
        else expect(failure(() => open(ring, owner, text)).name).toBe('SealBroken')
      })
    })
  })

  it('S25 ciphertext with any character changed does not open', () => {
    const sealed = seal(ring, context, 'short')
    for (let index = 0; index < sealed.length; index += 1) {
      const other = sealed[index] === 'A' ? 'B' : 'A'
      const changed = sealed.slice(0, index) + other + sealed.slice(index + 1)
      expect(failure(() => open(ring, context, changed)).name).toMatch(/^(SealBroken|KeyMissing)$/)
    }
  })

  it('S25 truncated, extended and respelled ciphertext does not open', () => {
    const sealed = seal(ring, context, 'short')
    const changed = [
      ...Array.from({ length: sealed.length }, (_, length) => sealed.slice(0, length)),
      ...['.', '=', 'A', 'AAAA', ' ', '\n'].map((more) => sealed + more),
      sealed.replace('v1', 'v2'),
      sealed.replace('v1', 'v1 '),
      sealed.replaceAll('-', '+').replaceAll('_', '/').concat('='),
      ` ${sealed}`,
      'v1.k1..',
      'v1...',
      '....',
      'plain text',
    ]
    for (const text of changed) {
      expect(failure(() => open(ring, context, text)).name).toMatch(/^(SealBroken|KeyMissing)$/)
    }
  })

  it('S25 a data key does not pass for a value, nor one value for another with the same context', () => {
    const [, , keyA, valueA] = seal(ring, context, 'one').split('.')
    const [, , keyB, valueB] = seal(ring, context, 'two').split('.')
    for (const text of [`v1.k1.${keyA}.${valueB}`, `v1.k1.${keyB}.${valueA}`, `v1.k1.${keyA}.${keyA}`]) {
      expect(failure(() => open(ring, context, text)).name).toBe('SealBroken')
    }
  })

  it('S25 a key that is missing from the ring is named; one with another value does not open', () => {
    const sealed = seal(ring, context, secret)
    expect(failure(() => open(ringOf('k2'), context, sealed))).toMatchObject({
      name: 'KeyMissing',
      keyId: 'k1',
      message: expect.stringContaining('key "k1"'),
    })
    const impostor = parseKeyRing(`k1:${keys.k2}`)
    expect(failure(() => open(impostor, context, sealed)).name).toBe('SealBroken')
    const relabelled = sealed.replace('v1.k1.', 'v1.k2.')
    expect(failure(() => open(ringOf('k2', 'k1'), context, relabelled)).name).toBe('SealBroken')
  })

  it('S26 no error carries the text, the secret or a key', () => {
    const sealed = seal(ring, context, secret)
    const errors = [
      failure(() => open(ring, { ...context, rowId: 'other' }, sealed)),
      failure(() => open(ringOf('k2'), context, sealed)),
      failure(() => open(ring, context, sealed.slice(0, -3))),
      failure(() => open(ring, context, `v1.${'s3cret '.repeat(9)}.a.b`)),
      failure(() => open(ring, context, secret)),
    ]
    for (const error of errors) {
      const shown = `${error.message} ${JSON.stringify(error)} ${String(error.cause)}`
      for (const part of [...sealed.split('.').slice(2), secret, 's3cret', keys.k1, keys.k2]) {
        expect(shown).not.toContain(part.slice(0, 12))
      }
    }
  })

  it('refuses a version that is not an integer, which would be encoded like another', () => {
    for (const version of [Number.NaN, Number.POSITIVE_INFINITY, 1.5]) {
      expect(() => seal(ring, { ...context, version }, secret)).toThrow(RangeError)
    }
  })
})

describe('rewrap', () => {
  it('S25 wraps the data key anew, leaves the value alone, and the old key is no longer needed', () => {
    const sealed = seal(ring, context, secret)
    const rotated = rewrap(ringOf('k2', 'k1'), context, sealed)
    if (rotated === undefined) throw new Error('It was not wrapped anew')
    expect(sealedWith(rotated)).toBe('k2')
    expect(rotated.split('.')[3]).toBe(sealed.split('.')[3])
    expect(open(ringOf('k2'), context, rotated)).toBe(secret)
    expect(failure(() => open(ringOf('k1'), context, rotated))).toMatchObject({ keyId: 'k2' })
  })

  it('has nothing to do when the primary key already wraps it', () => {
    expect(rewrap(ringOf('k1', 'k2'), context, seal(ring, context, secret))).toBeUndefined()
  })

  it('names the key that it lacks', () => {
    const other = parseKeyRing(generateKey(0).text)
    expect(failure(() => rewrap(other, context, seal(ring, context, secret)))).toMatchObject({
      name: 'KeyMissing',
      keyId: 'k1',
    })
  })
})
