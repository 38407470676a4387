import { describe, expect, it } from 'vitest'
import { fixtureIssuer as issuer, createIssuerKeysFixture as setUp } from './testing/issuer-keys-fixture.ts'

describe('createIssuerKeys', () => {
  it('finds the keys by discovery and asks once for many tokens', async () => {
    const { fake, verify, token } = await setUp()
    expect(await verify(await token())).toBe('ok')
    expect(await verify(await token())).toBe('ok')
    expect(fake.asked).toEqual([`${issuer}/.well-known/openid-configuration`, `${issuer}/keys`])
  })

  it('joins the path to an issuer that ends in a slash', async () => {
    const { fake, verify, token } = await setUp({ issuer: 'https://issuer.example/' })
    expect(await verify(await token())).toBe('ok')
    expect(fake.asked[0]).toBe('https://issuer.example/.well-known/openid-configuration')
  })

  it.each(['RS256', 'PS256', 'ES384', 'EdDSA', 'Ed25519'])('verifies %s', async (algorithm) => {
    const { verify, token } = await setUp({ algorithm })
    expect(await verify(await token())).toBe('ok')
  })

  it('S13 shares one fetch among all who come meanwhile', async () => {
    const { fake, verify, token } = await setUp()
    const tokens = await Promise.all(Array.from({ length: 50 }, token))
    expect(new Set(await Promise.all(tokens.map(verify)))).toEqual(new Set(['ok']))
    expect(fake.asked).toHaveLength(2)
  })

  it('S12 refuses a token that another key signed, whatever its kid', async () => {
    const { fake, verify } = await setUp()
    await fake.addKey('stranger', { published: false })
    const forged = await fake.sign({ iss: issuer }, { kid: 'stranger' })
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'first' })).toString('base64url')
    const [, payload, signature] = forged.split('.')
    expect(await verify(`${header}.${payload}.${signature}`)).toBe('signature_invalid: wrong signature')
  })

  it('S12 refuses a token whose payload was changed', async () => {
    const { verify, token } = await setUp()
    const [header, , signature] = (await token()).split('.')
    const payload = Buffer.from(JSON.stringify({ iss: issuer, sub: 'other' })).toString('base64url')
    expect(await verify(`${header}.${payload}.${signature}`)).toBe('signature_invalid: wrong signature')
  })

  it('S12 refuses an algorithm that the issuer does not offer', async () => {
    const { fake, verify, token } = await setUp()
    fake.documents.configuration.id_token_signing_alg_values_supported = ['RS256', 'HS256', 'none']
    expect(await verify(await token())).toBe('signature_invalid: unexpected algorithm')
  })

  it('S12 pins the algorithm of a known platform, whatever its document says, before asking', async () => {
    const { fake, verify, token } = await setUp({ issuer: 'https://token.actions.githubusercontent.com' })
    expect(await verify(await token())).toBe('signature_invalid: unexpected algorithm')
    expect(fake.asked).toEqual([])
  })

  it('takes RS256 and ES256 when the issuer does not say', async () => {
    for (const [algorithm, expected] of [
      ['ES256', 'ok'],
      ['RS256', 'ok'],
      ['ES384', 'signature_invalid: unexpected algorithm'],
    ]) {
      const { fake, verify, token } = await setUp({ algorithm: algorithm ?? '' })
      delete fake.documents.configuration.id_token_signing_alg_values_supported
      expect(await verify(await token())).toBe(expected)
    }
  })

  it('S13 a key miss asks again at most every 30 seconds', async () => {
    const { fake, clock, verify, token } = await setUp()
    await verify(await token())
    await fake.addKey('second', { published: false })
    const unknown = await fake.sign({ iss: issuer }, { kid: 'second' })
    for (let second = 0; second < 90; second += 1) {
      expect(await verify(unknown)).toBe('signature_invalid: unknown key')
      clock.now += 1_000
    }
    // Two documents at first, then after 30 and 60 seconds.
    expect(fake.asked).toHaveLength(6)
  })

  it('S13 a flood of unknown keys at once makes one fetch', async () => {
    const { fake, clock, verify, token } = await setUp()
    await verify(await token())
    clock.now += 31_000
    const tokens = await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        await fake.addKey(`k${at}`, { published: false })
        return fake.sign({ iss: issuer }, { kid: `k${at}` })
      }),
    )
    await Promise.all(tokens.map(verify))
    expect(fake.asked).toHaveLength(4)
  })

  it('accepts a new key as soon as the cooldown is over', async () => {
    const { fake, clock, verify, token } = await setUp()
    await verify(await token())
    await fake.addKey('second')
    clock.now += 30_000
    expect(await verify(await fake.sign({ iss: issuer }, { kid: 'second' }))).toBe('ok')
  })

  it('forgets a withdrawn key within ten minutes', async () => {
    const { fake, clock, verify, token } = await setUp()
    const withdrawn = await token()
    expect(await verify(withdrawn)).toBe('ok')
    await fake.addKey('second')
    fake.documents.keySet = { keys: (fake.documents.keySet as { keys: unknown[] }).keys.slice(1) }
    clock.now += 600_000
    expect(await verify(withdrawn)).toBe('signature_invalid: unknown key')
  })

  it('keeps the last good keys for a day while the issuer is down, and not longer', async () => {
    const { fake, clock, verify, token } = await setUp()
    const signed = await token()
    await verify(signed)
    fake.answer = () => Promise.reject(new TypeError('fetch failed'))
    clock.now += 600_000
    expect(await verify(signed)).toBe('ok')
    clock.now += 86_400_000 - 600_001
    expect(await verify(signed)).toBe('ok')
    clock.now += 1
    expect(await verify(signed)).toMatch(/^issuer_unreachable/)
    fake.answer = undefined
    clock.now += 5_000
    expect(await verify(signed)).toBe('ok')
  })

  it('S13 does not wait again for an issuer that is down while old keys still hold', async () => {
    const { fake, clock, verify, token } = await setUp()
    const signed = await token()
    await verify(signed)
    clock.now += 600_000
    fake.answer = () => Promise.reject(new TypeError('fetch failed'))
    await verify(signed)
    clock.now += 5_000
    fake.answer = () => new Promise(() => {})
    expect(await verify(signed)).toBe('ok')
  })

  it('S13 an issuer that never answered is asked again only after five seconds', async () => {
    const { fake, clock, verify, token } = await setUp()
    fake.answer = () => new Response('', { status: 500 })
    const signed = await token()
    for (let round = 0; round < 20; round += 1) {
      expect(await verify(signed)).toBe(
        'issuer_unreachable: The discovery document was answered with status 500',
      )
    }
    expect(fake.asked).toHaveLength(1)
    fake.answer = undefined
    clock.now += 5_000
    expect(await verify(signed)).toBe('ok')
  })
})
