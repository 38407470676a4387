import { describe, expect, it } from 'vitest'
import { parseStrictObject } from '../strict-json.ts'
import { isPlainJwt, parseCompactToken } from './compact-token.ts'
import { craftToken } from './testing/fake-issuer.ts'

const header = { alg: 'ES256', kid: 'k', typ: 'JWT' }
const payload = { iss: 'https://issuer.example', sub: 's' }

function detailOf(token: string): string | undefined {
  const outcome = parseCompactToken(token)
  return outcome.ok || outcome.refusal.reason !== 'token_malformed' ? undefined : outcome.refusal.detail
}

describe('parseCompactToken', () => {
  it('reads header and payload', () => {
    const outcome = parseCompactToken(craftToken(header, payload))
    expect(outcome).toMatchObject({
      ok: true,
      value: { header, payload, algorithm: 'ES256', type: 'jwt', issuer: 'https://issuer.example' },
    })
  })

  it('S12 refuses a token longer than 16 KiB', () => {
    expect(detailOf(craftToken(header, { ...payload, filler: 'x'.repeat(16_384) }))).toBe(
      'longer than 16 KiB',
    )
    expect(parseCompactToken(craftToken(header, { ...payload, filler: 'x'.repeat(11_000) })).ok).toBe(true)
  })

  it.each(['none', 'None', 'HS256', 'HS512', 'RSA-OAEP', 'ES256K', 'dir', '', undefined, null, 0, ['RS256']])(
    'S12 refuses alg %j',
    (alg) => {
      expect(detailOf(craftToken({ ...header, alg }, payload))).toContain('"alg"')
    },
  )

  it.each(['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc'])('S12 refuses the header %s', (name) => {
    expect(detailOf(craftToken({ ...header, [name]: null }, payload))).toBe(`the header has "${name}"`)
  })

  it.each([
    ['{"iss":"a","iss":"b"}'],
    ['{"iss":"a","\\u0069ss":"b"}'],
    ['{"iss":"a","nested":{"x":1,"x":2}}'],
    ['{"iss":"a","list":[{"x":{}},{"x":1,"y":[],"x":2}]}'],
    ['{"__proto__":1,"iss":"a","__proto__":2}'],
  ])('S12 refuses the duplicate claims of %s', (text) => {
    expect(detailOf(craftToken(header, text))).toContain('distinct names')
  })

  it('S12 refuses a header that names alg twice', () => {
    expect(detailOf(craftToken('{"alg":"ES256","alg":"none"}', payload))).toContain('distinct names')
  })

  it.each([
    '',
    '.',
    '..',
    'a.b',
    'a.b.c.d',
    'a.b.c.d.e',
    `${craftToken(header, payload)}=`,
    `${craftToken(header, payload)}\n`,
    craftToken(header, payload, ''),
    craftToken(header, payload, 'c2lnbg+/'),
    craftToken(header, payload, 'c2lnbh'), // stray bits at the end
    craftToken(header, '[]'),
    craftToken(header, 'null'),
    craftToken(header, '"text"'),
    craftToken(header, '\ufeff{"iss":"a"}'),
    craftToken(header, '{"iss":"a"}x'),
    craftToken(header, '{"iss":"a"/**/}'),
    craftToken(header, '['.repeat(6_000)),
    craftToken([], payload),
    craftToken(header, { sub: 's' }),
    craftToken(header, { iss: ['https://issuer.example'] }),
    craftToken(header, { ...payload, sub: 1 }),
    craftToken(header, { ...payload, sub: ['s'] }),
    craftToken({ ...header, kid: 7 }, payload),
    craftToken({ ...header, typ: 7 }, payload),
    `${craftToken(header, payload).split('.')[0]}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.c2ln`,
  ])('S12 refuses malformed token %#', (token) => {
    expect(detailOf(token)).toBeTypeOf('string')
  })

  it('S12 survives nesting as deep as 16 KiB allow', () => {
    const depth = 5_900
    const text = `{"iss":"a","x":${'['.repeat(depth)}${']'.repeat(depth)}}`
    expect(parseCompactToken(craftToken(header, text)).ok).toBe(true)
  })

  it.each([
    [undefined, true],
    ['JWT', true],
    ['jwt', true],
    ['JOSE', true],
    ['at+jwt', false],
    ['application/at+jwt', false],
    ['vk-id+jwt', false],
    ['vk-trigger+jwt', false],
    ['VK-ID+JWT', false],
    ['secevent+jwt', false],
    ['', false],
    ['JWT ', false],
  ])('S38 typ %j is that of a plain JWT: %s', (typ, expected) => {
    const outcome = parseCompactToken(craftToken({ ...header, typ }, payload))
    expect(outcome.ok && isPlainJwt(outcome.value)).toBe(expected)
  })
})

describe('parseStrictObject', () => {
  it('allows the same name in different objects, and keeps "__proto__" an ordinary member', () => {
    const value = parseStrictObject('{"a":{"x":1},"b":{"x":{"x":2}},"__proto__":{"polluted":true}}')
    expect(value).toBeDefined()
    expect(Object.hasOwn(value ?? {}, '__proto__')).toBe(true)
    expect(value?.polluted).toBeUndefined()
  })

  it('is not fooled by names inside strings', () => {
    expect(parseStrictObject('{"a":"\\"a\\":1,","b":["a","a"]}')).toEqual({ a: '"a":1,', b: ['a', 'a'] })
  })
})
