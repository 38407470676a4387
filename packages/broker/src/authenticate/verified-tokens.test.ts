import { expect, it } from 'vitest'
import { createVerifiedTokens } from './verified-tokens.ts'

it('knows a token it was told of, and no other', () => {
  const verified = createVerifiedTokens()
  verified.add('a.b.c')
  expect(verified.has('a.b.c')).toBe(true)
  for (const other of ['a.b.d', 'a.b.c ', 'A.b.c', '']) expect(verified.has(other)).toBe(false)
})

it('forgets the oldest beyond ten thousand', () => {
  const verified = createVerifiedTokens()
  for (let index = 0; index <= 10_000; index++) verified.add(`token-${index}`)
  expect(verified.has('token-0')).toBe(false)
  expect(verified.has('token-1')).toBe(true)
  expect(verified.has('token-10000')).toBe(true)
})
