import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hashAccessToken, looksLikeAccessToken, newAccessToken } from './access-token.ts'

describe('an access token', () => {
  it('has an id, a secret of 256 random bits that begins with the id, and the hash that is stored', () => {
    const { id, secret, secretHash } = newAccessToken()
    expect(id).toMatch(/^vat_[0-9a-f]{16}$/)
    expect(secret).toMatch(/^vk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/)
    expect(secret.slice(3, 19)).toBe(id.slice(4))
    expect(secretHash).toBe(createHash('sha256').update(secret).digest('hex'))
    expect(hashAccessToken(secret)).toBe(secretHash)
  })

  it('is never made twice', () => {
    const made = Array.from({ length: 500 }, newAccessToken)
    expect(new Set(made.map(({ secret }) => secret)).size).toBe(500)
    expect(new Set(made.map(({ id }) => id)).size).toBe(500)
  })

  it('S38 is told from an identity token by its beginning', () => {
    expect(looksLikeAccessToken(newAccessToken().secret)).toBe(true)
    expect(looksLikeAccessToken('eyJhbGciOiJFUzI1NiJ9.e30.sig')).toBe(false)
    expect(looksLikeAccessToken(' vk_x')).toBe(false)
    expect(looksLikeAccessToken('VK_x')).toBe(false)
    expect(looksLikeAccessToken('')).toBe(false)
  })
})
