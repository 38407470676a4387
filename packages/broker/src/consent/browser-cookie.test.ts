import { expect, it } from 'vitest'
import { browserOf, browserSecret, formToken, isFormToken, isSameOrigin } from './browser-cookie.ts'

const https = 'https://valetkey.test'
const http = 'http://127.0.0.1:4570'
const secret = 's'.repeat(43)

it('names the cookie so that browsers keep it to this host, and to https', () => {
  expect(browserOf(https, undefined).cookie).toMatch(
    /^__Host-vk-browser=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
  )
  expect(browserOf(http, undefined).cookie).toMatch(/^vk-browser=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/)
})

it('keeps the cookie that a browser has', () => {
  expect(browserOf(https, `a=b; __Host-vk-browser=${secret}`)).toEqual({ secret })
})

it.each([
  ['the plain name on https', `vk-browser=${secret}`],
  ['two of them', `__Host-vk-browser=${secret}; __Host-vk-browser=${secret}`],
  ['another length', '__Host-vk-browser=short'],
  ['another name that ends alike', `x__Host-vk-browser=${secret}`],
])('does not take %s for the cookie', (_what, header) => {
  expect(browserSecret(https, header)).toBeUndefined()
})

it('makes a form token good for one browser and one purpose, and not the cookie itself', () => {
  const token = formToken(secret, 'device')
  expect(isFormToken(token, secret, 'device')).toBe(true)
  expect(isFormToken(token, secret, 'ask_1')).toBe(false)
  expect(isFormToken(token, 't'.repeat(43), 'device')).toBe(false)
  expect(isFormToken(secret, secret, 'device')).toBe(false)
})

it.each([
  [{ origin: https, site: 'same-origin' }, true],
  [{ origin: https, site: undefined }, true],
  [{ origin: undefined, site: 'same-origin' }, true],
  [{ origin: undefined, site: undefined }, false],
  [{ origin: 'null', site: 'same-origin' }, false],
  [{ origin: 'https://evil.test', site: 'same-origin' }, false],
  [{ origin: https, site: 'cross-site' }, false],
  [{ origin: https, site: 'same-site' }, false],
  [{ origin: `${https}:8443`, site: undefined }, false],
  [{ origin: undefined, site: 'none' }, false],
])('believes %j: %s', (headers, believed) => {
  expect(isSameOrigin(`${https}/path`, headers)).toBe(believed)
})
