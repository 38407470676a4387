import { expect, it } from 'vitest'
import { hashTypedCode, matchesHash, newTypedCode, newVerifier, normalizeTypedCode } from './secrets.ts'
import { codeEnd, nextStep, statusAt } from './state.ts'

const now = 1_000_000

it.each([
  ['pending', now + 1, null, 'pending'],
  ['pending', now, null, 'expired'],
  ['consented', now, now + 1, 'consented'],
  ['consented', now + 1, now, 'expired'],
  ['consented', now, null, 'expired'],
  ['active', now - 1, now - 1, 'active'],
  ['denied', now - 1, null, 'denied'],
  ['error', now - 1, null, 'error'],
  ['expired', now + 1, null, 'expired'],
] as const)('a %s request until %s, its code until %s, is %s', (status, expires_at, code_expires_at, at) => {
  expect(statusAt({ status, expires_at, code_expires_at }, now)).toBe(at)
})

const base = {
  kind: 'authorize',
  entered_by: 'url',
  return_url: 'https://app.test/',
  binding: 'complete',
} as const

it.each([
  [{}, 'return'],
  [{ entered_by: 'device' }, 'code'],
  [{ return_url: null }, 'code'],
  [{ return_url: null, binding: 'consent' }, 'close'],
  [{ entered_by: 'device', binding: 'consent' }, 'close'],
  [{ kind: 'sign_in', entered_by: 'device', return_url: null }, 'return'],
] as const)('leads on from %j by %s', (change, step) => {
  expect(nextStep({ ...base, ...change })).toBe(step)
})

it('gives a code in a URL a minute, and a typed one the time of the request, at least a minute', () => {
  expect(codeEnd({ ...base, expires_at: now + 600_000 }, now)).toBe(now + 60_000)
  expect(codeEnd({ ...base, return_url: null, expires_at: now + 600_000 }, now)).toBe(now + 600_000)
  expect(codeEnd({ ...base, return_url: null, expires_at: now + 1 }, now)).toBe(now + 60_000)
})

it('knows a typed code however people write it, and nothing by an empty hash', () => {
  const code = newTypedCode()
  expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  const written = ` ${code.toLowerCase().replace('-', ' ')} `
  expect(matchesHash(normalizeTypedCode(written), hashTypedCode(code))).toBe(true)
  expect(matchesHash(code, null)).toBe(false)
  expect(matchesHash('', '')).toBe(false)
  expect(matchesHash('', null)).toBe(false)
  expect(newVerifier()).toMatch(/^[\w-]{50}$/)
})
