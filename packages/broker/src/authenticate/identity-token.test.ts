import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { createIdentityVerifier } from './identity-token.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { craftToken, createFakeIssuer } from './testing/fake-issuer.ts'
import { checkTimes } from './token-times.ts'
import type { TrustRule } from './trust-rule.ts'

const issuer = 'https://issuer.example'
const audience = 'https://broker.example'
const nowMs = 1_800_000_000_000
const now = nowMs / 1000

function rule(overrides: Partial<TrustRule> = {}): TrustRule {
  return {
    id: 'tr_1',
    projectId: 'prj_1',
    projectName: 'site',
    environment: 'production',
    issuer,
    audience,
    claims: { sub: ['workload-1'] },
    refuse: {},
    maxAgeSeconds: 86_400,
    ...overrides,
  }
}

const good = { iss: issuer, aud: audience, sub: 'workload-1', iat: now, exp: now + 300 }

async function setUp(rules: readonly TrustRule[] = [rule()], algorithm?: string) {
  const fake = await createFakeIssuer(issuer, algorithm)
  const clock = { now: nowMs }
  const verifyIdentity = createIdentityVerifier({
    rules: { rulesFor: async (name) => rules.filter((candidate) => candidate.issuer === name) },
    keys: createIssuerKeys({ fetch: fake.fetch, now: () => clock.now, log: silentLog }),
    now: () => clock.now,
    development: undefined,
  })
  const reasonFor = async (token: string) => {
    const outcome = await verifyIdentity(token)
    return outcome.ok ? 'ok' : outcome.refusal.reason
  }
  return {
    fake,
    verifyIdentity,
    reasonFor,
    reason: async (change: Record<string, unknown>, header?: Record<string, unknown>) =>
      reasonFor(await fake.sign({ ...good, ...change }, header)),
  }
}

describe('createIdentityVerifier', () => {
  it('says whose a token is', async () => {
    const { fake, verifyIdentity } = await setUp()
    expect(await verifyIdentity(await fake.sign(good, { typ: 'JWT' }))).toEqual({
      ok: true,
      value: {
        projectId: 'prj_1',
        projectName: 'site',
        environment: 'production',
        issuer,
        subject: 'workload-1',
        ruleId: 'tr_1',
      },
    })
  })

  it.each([
    ['a missing aud', { aud: undefined }, 'audience_mismatch'],
    ['a foreign aud', { aud: 'https://other.example' }, 'audience_mismatch'],
    ['an aud with a slash more', { aud: `${audience}/` }, 'audience_mismatch'],
    ['an aud of another case', { aud: 'https://BROKER.example' }, 'audience_mismatch'],
    ['several auds', { aud: [audience, 'https://other.example'] }, 'audience_mismatch'],
    ['the aud twice', { aud: [audience, audience] }, 'audience_mismatch'],
    ['no aud in the list', { aud: [] }, 'audience_mismatch'],
    ['a nested aud', { aud: [[audience]] }, 'audience_mismatch'],
    ['a missing exp', { exp: undefined }, 'token_malformed'],
    ['an exp as text', { exp: String(now + 300) }, 'token_malformed'],
    ['a missing iat', { iat: undefined }, 'token_malformed'],
    ['an iat as text', { iat: String(now) }, 'token_malformed'],
    ['an nbf as text', { nbf: String(now) }, 'token_malformed'],
    ['a past exp', { iat: now - 300, exp: now - 30 }, 'token_expired'],
    ['a future iat', { iat: now + 31 }, 'token_not_yet_valid'],
    ['a future nbf', { nbf: now + 31 }, 'token_not_yet_valid'],
    ['a long life', { exp: now + 86_401 }, 'token_lives_too_long'],
    ['another sub', { sub: 'workload-10' }, 'claims_unmatched'],
    ['no sub', { sub: undefined }, 'claims_unmatched'],
  ])('S11 refuses %s', async (_, change, expected) => {
    expect(await (await setUp()).reason(change)).toBe(expected)
  })

  it.each([
    ['a list of one aud', { aud: [audience] }],
    ['an exp 29 seconds ago', { iat: now - 300, exp: now - 29 }],
    ['an iat 30 seconds ahead', { iat: now + 30 }],
    ['an nbf 30 seconds ahead', { nbf: now + 30 }],
    ['an nbf before iat', { nbf: now - 600 }],
    ['the longest life', { exp: now + 86_400 }],
  ])('accepts %s', async (_, change) => {
    expect(await (await setUp()).reason(change)).toBe('ok')
  })

  it.each(['exp', 'iat', 'nbf'])('S11 refuses an infinite %s', (name) => {
    const text = JSON.stringify({ ...good, [name]: 0 }).replace(`"${name}":0`, `"${name}":1e999`)
    expect(checkTimes(JSON.parse(text), nowMs)).toMatchObject({
      ok: false,
      refusal: { reason: 'token_malformed' },
    })
  })

  it.each([
    'https://issuer.example/',
    'https://issuer.example.evil.example',
    'https://issuer.exampl',
    'http://issuer.example',
    'HTTPS://issuer.example',
    'https://ISSUER.example',
    'https://issuer.example:443',
    'https://issuer.example/tenant',
    'issuer.example',
    '',
    '__proto__',
  ])('S11 S13 refuses the issuer %j before any key is fetched', async (iss) => {
    const { fake, reason } = await setUp()
    expect(await reason({ iss })).toBe('issuer_untrusted')
    expect(fake.asked).toEqual([])
  })

  it('S11 does not believe a rule source that answers with rules of another issuer', async () => {
    const fake = await createFakeIssuer(issuer)
    const verify = createIdentityVerifier({
      rules: { rulesFor: async () => [rule({ issuer: 'https://other.example' })] },
      keys: createIssuerKeys({ fetch: fake.fetch, now: () => nowMs, log: silentLog }),
      now: () => nowMs,
      development: undefined,
    })
    expect(await verify(await fake.sign(good))).toEqual({
      ok: false,
      refusal: { reason: 'issuer_untrusted' },
    })
    expect(fake.asked).toEqual([])
  })

  it('S12 refuses alg none, and HS256 keyed with the public key', async () => {
    const { fake, reasonFor } = await setUp([rule()], 'RS256')
    expect(await reasonFor(`${craftToken({ alg: 'none' }, good, '').slice(0, -1)}.`)).toBe('token_malformed')
    const { keys } = fake.documents.keySet as { keys: JsonWebKey[] }
    const pem = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    const input = craftToken({ alg: 'HS256', kid: 'first' }, good).split('.').slice(0, 2).join('.')
    const signature = createHmac('sha256', pem).update(input).digest('base64url')
    expect(await reasonFor(`${input}.${signature}`)).toBe('token_malformed')
  })

  it('S12 fetches no URL from a token', async () => {
    const { fake, reason } = await setUp()
    for (const name of ['jku', 'x5u']) {
      expect(await reason({}, { [name]: 'https://evil.example/keys' })).toBe('token_malformed')
    }
    expect(await reason({ jwks_uri: 'https://evil.example/keys' }, { kid: 'first' })).toBe('ok')
    expect(fake.asked).toEqual([`${issuer}/.well-known/openid-configuration`, `${issuer}/keys`])
  })

  it('S12 an expired forgery is told only that its signature is wrong', async () => {
    const { fake, reasonFor } = await setUp()
    await fake.addKey('stranger', { published: false })
    const forged = await fake.sign({ ...good, exp: now - 600 }, { kid: 'stranger' })
    expect(await reasonFor(forged)).toBe('signature_invalid')
  })

  it('S11 an expired token for another audience is not told that it expired', async () => {
    expect(await (await setUp()).reason({ aud: 'https://other.example', exp: now - 600 })).toBe(
      'audience_mismatch',
    )
  })

  it.each(['at+jwt', 'vk-id+jwt', 'vk-trigger+jwt', 'logout+jwt', 'secevent+jwt'])(
    'S38 refuses a token of typ %s from a trusted issuer',
    async (typ) => {
      const { fake, reason } = await setUp()
      expect(await reason({}, { typ })).toBe('token_malformed')
      expect(fake.asked).toEqual([])
    },
  )

  it('S09 refuses an identity that two projects match', async () => {
    const { reason } = await setUp([rule(), rule({ id: 'tr_2', projectId: 'prj_2' })])
    expect(await reason({})).toBe('identity_ambiguous')
  })

  it('S09 refuses an identity that two environments match', async () => {
    const { reason } = await setUp([
      rule(),
      rule({ id: 'tr_2', environment: 'preview', claims: { sub: ['workload-*'] } }),
    ])
    expect(await reason({})).toBe('identity_ambiguous')
  })

  it('accepts an identity that two rules of one environment match', async () => {
    const { reason } = await setUp([rule(), rule({ id: 'tr_2', claims: { sub: ['workload-*'] } })])
    expect(await reason({})).toBe('ok')
  })

  it('takes each rule by its own audience and age', async () => {
    const rules = [
      rule({ maxAgeSeconds: 600 }),
      rule({ id: 'tr_2', projectId: 'prj_2', audience: 'https://second.example' }),
    ]
    const { fake, verifyIdentity, reason } = await setUp(rules)
    expect(await reason({ exp: now + 601 })).toBe('token_lives_too_long')
    const second = await verifyIdentity(
      await fake.sign({ ...good, aud: 'https://second.example', exp: now + 601 }),
    )
    expect(second).toMatchObject({ ok: true, value: { projectId: 'prj_2', ruleId: 'tr_2' } })
  })

  it('passes on that the issuer cannot be reached', async () => {
    const { fake, reason } = await setUp()
    fake.answer = () => Promise.reject(new TypeError('fetch failed'))
    expect(await reason({})).toBe('issuer_unreachable')
  })

  it('S12 refuses random damage to a good token', async () => {
    const { fake, reasonFor } = await setUp()
    const token = await fake.sign(good)
    expect(await reasonFor(token)).toBe('ok')
    for (let at = 0; at < token.length; at += 3) {
      const other = token[at] === 'A' ? 'B' : 'A'
      expect(await reasonFor(`${token.slice(0, at)}${other}${token.slice(at + 1)}`)).not.toBe('ok')
      expect(await reasonFor(token.slice(0, at) + token.slice(at + 1))).not.toBe('ok')
    }
  })
})

describe('the identities that a verifier tells of', () => {
  it('S29 are those whose signature, audience and life held, asked about by nobody else', async () => {
    const fake = await createFakeIssuer(issuer)
    const seen: string[] = []
    const verify = createIdentityVerifier({
      rules: { rulesFor: async (name) => (name === issuer ? [rule()] : []) },
      keys: createIssuerKeys({ fetch: fake.fetch, now: () => nowMs, log: silentLog }),
      now: () => nowMs,
      development: undefined,
      seen: ({ outcome }) => seen.push(outcome.ok ? 'ok' : outcome.refusal.reason),
    })
    const signed = await fake.sign(good)
    await verify(`${signed.slice(0, -8)}AAAAAAAA`)
    await verify(craftToken({ alg: 'ES256', kid: 'first' }, good))
    for (const change of [
      { aud: 'x' },
      { exp: now - 60 },
      { exp: now + 90_000 },
      { iss: 'https://other.example' },
    ])
      await verify(await fake.sign({ ...good, ...change }))
    await verify(signed, { unseen: true })
    expect(seen).toEqual([])
    await verify(signed)
    await verify(await fake.sign({ ...good, sub: 'stranger' }))
    expect(seen).toEqual(['ok', 'claims_unmatched'])
  })
})
