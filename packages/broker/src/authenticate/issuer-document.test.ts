import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import type { FakeIssuer } from './testing/fake-issuer.ts'
import { fixtureIssuer as issuer, createIssuerKeysFixture as setUp } from './testing/issuer-keys-fixture.ts'

describe('an issuer’s documents', () => {
  const misbehave: readonly (readonly [string, (fake: FakeIssuer) => unknown, string])[] = [
    [
      'names another issuer',
      (fake) => {
        fake.documents.configuration.issuer = 'https://other.example'
      },
      'names another issuer',
    ],
    [
      'differs by a slash',
      (fake) => {
        fake.documents.configuration.issuer = `${issuer}/`
      },
      'names another issuer',
    ],
    [
      'names no keys',
      (fake) => {
        delete fake.documents.configuration.jwks_uri
      },
      'no usable "jwks_uri"',
    ],
    [
      'sends us to http',
      (fake) => {
        fake.documents.configuration.jwks_uri = 'http://issuer.example/keys'
      },
      'no usable "jwks_uri"',
    ],
    [
      'sends us to a file',
      (fake) => {
        fake.documents.configuration.jwks_uri = 'file:///etc/passwd'
      },
      'no usable "jwks_uri"',
    ],
    [
      'sends credentials',
      (fake) => {
        fake.documents.configuration.jwks_uri = 'https://a:b@issuer.example/keys'
      },
      'no usable "jwks_uri"',
    ],
    [
      'has an empty set',
      (fake) => {
        fake.documents.keySet = { keys: [] }
      },
      'no usable key',
    ],
    [
      'has no list',
      (fake) => {
        fake.documents.keySet = {}
      },
      'no list of keys',
    ],
    [
      'has too many keys',
      (fake) => {
        fake.documents.keySet = { keys: Array(101).fill({}) }
      },
      'more than 100 keys',
    ],
    [
      'offers no accepted algorithm',
      (fake) => {
        fake.documents.configuration.id_token_signing_alg_values_supported = ['HS256']
      },
      'no accepted signature algorithm',
    ],
    [
      'redirects',
      (fake) => {
        fake.answer = () => new Response(null, { status: 302, headers: { location: 'https://evil.example' } })
      },
      'status 302',
    ],
    [
      'is too large',
      (fake) => {
        fake.answer = () => new Response(new Uint8Array(524_289))
      },
      'larger than 524288 bytes',
    ],
    [
      'is not JSON',
      (fake) => {
        fake.answer = () => new Response('<html>')
      },
      'is not JSON',
    ],
    [
      'is no object',
      (fake) => {
        fake.answer = () => new Response('[]')
      },
      'is not a JSON object',
    ],
  ]

  it.each(misbehave)('S13 are refused when one %s', async (_, change, fault) => {
    const { fake, verify, token } = await setUp()
    const signed = await token()
    change(fake)
    const result = await verify(signed)
    expect(result).toContain('issuer_unreachable')
    expect(result).toContain(fault)
  })

  it.each([
    ['has another use', { use: 'enc' }],
    ['is only for signing', { key_ops: ['sign'] }],
    ['is private', { d: 'AAAA' }],
    ['is symmetric', { kty: 'oct', k: 'AAAA' }],
  ])('S12 a key that %s is not used', async (_, change) => {
    const { fake, verify, token } = await setUp()
    const { keys } = fake.documents.keySet as { keys: object[] }
    fake.documents.keySet = { keys: keys.map((key) => ({ ...key, ...change })) }
    expect(await verify(await token())).toContain('no usable key')
  })

  it('S12 an RSA key under 2048 bits is not used', async () => {
    const { fake, verify, token } = await setUp({ algorithm: 'RS256' })
    const weak = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        hash: 'SHA-256',
        modulusLength: 2040,
        publicExponent: new Uint8Array([1, 0, 1]),
      },
      true,
      ['sign', 'verify'],
    )
    fake.documents.keySet = { keys: [{ ...(await exportJWK(weak.publicKey)), kid: 'first' }] }
    expect(await verify(await token())).toContain('no usable key')
  })

  it('a bad key beside a good one does no harm', async () => {
    const { fake, verify, token } = await setUp()
    const { keys } = fake.documents.keySet as { keys: object[] }
    const { publicKey } = await generateKeyPair('ES384', { extractable: true })
    const odd = [
      null,
      7,
      { kty: 'EC' },
      { kty: 'OKP', crv: 'X25519', x: 'AA' },
      { ...(await exportJWK(publicKey)), kid: 'x' },
    ]
    fake.documents.keySet = { keys: [...odd, ...keys] }
    expect(await verify(await token())).toBe('ok')
  })

  it('a token without kid is verified while only one key can be meant', async () => {
    const { fake, verify } = await setUp()
    const pair = await generateKeyPair('ES256', { extractable: true })
    const key = await exportJWK(pair.publicKey)
    fake.documents.keySet = { keys: [{ ...key, kid: 'only' }] }
    const token = await new SignJWT({ iss: issuer })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(pair.privateKey)
    expect(await verify(token)).toBe('ok')
    const other = await setUp()
    other.fake.documents.keySet = {
      keys: [
        { ...key, kid: 'one' },
        { ...key, kid: 'two' },
      ],
    }
    expect(await other.verify(token)).toBe('signature_invalid: several keys could be meant')
  })
})
