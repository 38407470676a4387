import { describe, expect, it } from 'vitest'
import { claimsOf, names, oneOf, time, uris, wholeNumber } from './options.ts'

describe('flag parsers', () => {
  it('splits names at commas and white space, over several flags', () => {
    expect(names('--scopes')('a, b', names('--scopes')('c'))).toEqual(['c', 'a', 'b'])
  })

  it('refuses a list with nothing in it: absent and empty do not mean the same', () => {
    expect(() => names('--scopes')(' , ')).toThrow('--scopes must not be empty')
  })

  it('keeps the commas of a resource URI', () => {
    expect(uris('--resources')('https://a.example/x,y,https://b.example urn:c')).toEqual([
      'https://a.example/x,y',
      'https://b.example',
      'urn:c',
    ])
  })

  it.each(['-1', '1.5', '', 'x', '99999999999999999', '65536'])('refuses the port %j', (value) => {
    expect(() => wholeNumber('--port', { minimum: 0, maximum: 65_535 })(value)).toThrow('from 0 to 65535')
  })

  it('does not repeat a word it does not know: it may be a misplaced secret', () => {
    expect(() => oneOf('--role', ['owner'])('vk_secret')).toThrow(/^--role must be one of: owner$/)
  })

  it('reads a time as a date or as milliseconds', () => {
    expect(time('--since')('2026-11-21T00:00:00Z')).toBe(Date.UTC(2026, 10, 21))
    expect(time('--since')('1000')).toBe(1000)
    expect(() => time('--since')('yesterday')).toThrow('--since')
  })

  it('collects a repeated claim into any-of, and keeps = in its value', () => {
    expect(claimsOf(['sub=a=b', 'ref=x', 'ref=y'])).toEqual({ sub: 'a=b', ref: ['x', 'y'] })
  })

  it('sets no prototype by a claim of that name', () => {
    const claims = claimsOf(['__proto__=x', 'sub=a'])
    expect(Object.keys(claims)).toEqual(['__proto__', 'sub'])
    expect(JSON.stringify(claims)).toBe('{"__proto__":"x","sub":"a"}')
  })

  it.each(['sub', '=a', 'sub='])('refuses the claim %j', (pair) => {
    expect(() => claimsOf([pair])).toThrow('--claim must be name=value')
  })
})
