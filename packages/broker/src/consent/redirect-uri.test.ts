import { expect, it } from 'vitest'
import { whyNotRedirectUri } from './redirect-uri.ts'

it.each([
  'https://app.test/back',
  'https://app.test',
  'https://app.test:8443/back?a=1&b=%20',
  'https://app.test:443/back',
  'http://localhost:3000/back',
  'http://app.localhost/back',
  'http://127.0.0.1:3000/',
  'http://[::1]:3000/',
])('takes %s', (text) => {
  expect(whyNotRedirectUri(text)).toBeUndefined()
})

it.each([
  ['javascript:alert(1)', 'must be https'],
  ['JaVaScRiPt://app.test/%0aalert(1)', 'must be https'],
  ['data:text/html,x', 'must be https'],
  ['myapp://back', 'must be https'],
  ['http://app.test/back', 'must be https'],
  ['http://127.0.0.1.evil.test/', 'must be https'],
  ['http://localhost.evil.test/', 'must be https'],
  ['http://127.0.0.2/', 'must be https'],
  ['//evil.test/back', 'must be an absolute URL'],
  ['/back', 'must be an absolute URL'],
  ['https://app.test/a\tb', 'must hold no spaces, control characters'],
  ['java\nscript:alert(1)', 'must hold no spaces, control characters'],
  [' https://app.test/', 'must hold no spaces, control characters'],
  ['https://app.test\\@evil.test/', 'must hold no spaces, control characters or backslashes'],
  ['https:\\\\evil.test/', 'must hold no spaces, control characters or backslashes'],
  ['https://äpp.test/', 'must hold no spaces, control characters'],
  ['https://app.test@evil.test/', 'must hold no user info'],
  ['https://user:word@app.test/', 'must hold no user info'],
  ['https://@app.test/', 'must hold no user info'],
  ['https://app.test/back#part', 'must hold no fragment'],
  ['https://app.test/back#', 'must hold no fragment'],
  ['https:app.test/back', 'must name its host plainly'],
  ['https:///app.test/back', 'must name its host plainly'],
  ['http://2130706433/', 'must name its host plainly'],
  ['http://0x7f.1/', 'must name its host plainly'],
  ['https://app%2etest/', 'must name its host plainly'],
])('S05 refuses %j', (text, why) => {
  expect(whyNotRedirectUri(text)).toContain(why)
})
