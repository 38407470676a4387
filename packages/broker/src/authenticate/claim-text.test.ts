import { expect, it } from 'vitest'
import { claimTexts, findClaim, isClaimName, nestClaims } from './claim-text.ts'

const claims = {
  sub: 'a',
  flag: false,
  count: 7,
  large: 2 ** 60,
  none: null,
  list: ['a'],
  'kubernetes.io': { namespace: 'shop', serviceaccount: { uid: 'u1' }, list: [{ uid: 'u2' }] },
  'https://x/': { 'a~b': 'c' },
}

it.each([
  ['sub', 'a'],
  ['flag', 'false'],
  ['count', '7'],
  ['/kubernetes.io/serviceaccount/uid', 'u1'],
  ['/https:~1~1x~1/a~0b', 'c'],
])('finds %s', (name, text) => {
  expect(findClaim(claims, name)).toEqual({ found: 'text', text })
})

it.each([
  ['other', 'absent'],
  ['none', 'absent'],
  ['toString', 'absent'],
  ['__proto__', 'absent'],
  ['/kubernetes.io/toString', 'absent'],
  ['/kubernetes.io/list/0/uid', 'absent'],
  ['/sub/length', 'absent'],
  ['kubernetes.io/namespace', 'absent'],
  ['list', 'no-text'],
  ['large', 'no-text'],
  ['kubernetes.io', 'no-text'],
  ['/kubernetes.io/serviceaccount', 'no-text'],
])('finds no text of %s', (name, found) => {
  expect(findClaim(claims, name)).toEqual({ found })
})

it('tells all that has text, and puts it together again', () => {
  const texts = Object.fromEntries(claimTexts(claims))
  expect(texts).toEqual({
    sub: 'a',
    flag: 'false',
    count: '7',
    '/kubernetes.io/namespace': 'shop',
    '/kubernetes.io/serviceaccount/uid': 'u1',
    '/https:~1~1x~1/a~0b': 'c',
  })
  const nested = nestClaims(texts)
  for (const [name, text] of Object.entries(texts))
    expect(findClaim(nested, name)).toEqual({ found: 'text', text })
})

it('takes names with one spelling only', () => {
  for (const name of ['sub', 'a/b', '/a/b', '/a~1/b~0']) expect(isClaimName(name)).toBe(true)
  for (const name of ['/', '/sub', '/a~2/b', '/a/b~', '/a/b/c/d/e/f/g']) expect(isClaimName(name)).toBe(false)
})

it('puts hostile names together without reaching a prototype', () => {
  nestClaims({ '/__proto__/polluted': 'x', __proto__: 'y' } as Record<string, string>)
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
})
