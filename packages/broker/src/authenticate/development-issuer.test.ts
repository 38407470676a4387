import { decodeJwt, decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { createDevelopmentIssuer } from './development-issuer.ts'
import { createIdentityVerifier } from './identity-token.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { createFakeIssuer } from './testing/fake-issuer.ts'

const publicUrl = 'https://broker.example'
const issuer = 'https://broker.example/development'
const nowMs = 1_800_000_000_500
const now = 1_800_000_000
const person = { projectId: 'prj_1', projectName: 'old name', environment: 'development', ttlSeconds: 43_200 }

async function setUp(options: { readonly environments?: readonly string[] } = {}) {
  const pair = await generateKeyPair('ES256')
  const state = { now: nowMs, admitted: new Set(['prj_1']) }
  const development = createDevelopmentIssuer({
    publicUrl: `${publicUrl}/`,
    now: () => state.now,
    key: { kid: 'dev-1', ...pair },
    admits: async (projectId) => (state.admitted.has(projectId) ? { projectName: 'site' } : undefined),
    ...options,
  })
  const claims = {
    iss: issuer,
    sub: 'project:prj_1:environment:development',
    aud: publicUrl,
    iat: now,
    exp: now + 600,
    project_id: 'prj_1',
    environment: 'development',
  }
  const sign = (change: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    new SignJWT({ ...claims, ...change })
      .setProtectedHeader({ alg: 'ES256', kid: 'dev-1', typ: 'vk-id+jwt', ...header })
      .sign(pair.privateKey)
  const reason = async (token: string) => {
    const outcome = await development.verify(token)
    return outcome.ok ? 'ok' : outcome.refusal.reason
  }
  return { development, state, sign, reason, pair }
}

describe('createDevelopmentIssuer', () => {
  it('makes an identity and accepts it', async () => {
    const { development } = await setUp()
    const { token, expiresAtMs } = await development.mint(person)
    expect(expiresAtMs).toBe((now + 43_200) * 1000)
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', kid: 'dev-1', typ: 'vk-id+jwt' })
    expect(decodeJwt(token)).toEqual({
      iss: issuer,
      sub: 'project:prj_1:environment:development',
      aud: publicUrl,
      iat: now,
      exp: now + 43_200,
      jti: expect.any(String),
      project: 'old name',
      project_id: 'prj_1',
      environment: 'development',
    })
    expect(await development.verify(token)).toEqual({
      ok: true,
      value: {
        projectId: 'prj_1',
        projectName: 'site',
        environment: 'development',
        issuer,
        subject: 'project:prj_1:environment:development',
        ruleId: 'development',
      },
    })
  })

  it('refuses once the project is gone or no longer allows it', async () => {
    const { development, state, reason } = await setUp()
    const { token } = await development.mint(person)
    state.admitted.clear()
    expect(await reason(token)).toBe('claims_unmatched')
  })

  it('refuses after its end', async () => {
    const { development, state, reason } = await setUp()
    const { token } = await development.mint({ ...person, ttlSeconds: 60 })
    state.now += 91_000
    expect(await reason(token)).toBe('token_expired')
  })

  it.each([0, -1, 1.5, 43_201, Number.NaN, Number.POSITIVE_INFINITY])(
    'makes none that lives %s seconds',
    async (ttlSeconds) => {
      const { development } = await setUp()
      await expect(development.mint({ ...person, ttlSeconds })).rejects.toThrow(RangeError)
    },
  )

  it('neither makes nor accepts an identity of an environment it does not speak for', async () => {
    const { development, sign, reason } = await setUp({ environments: ['development'] })
    await expect(development.mint({ ...person, environment: 'production' })).rejects.toThrow(RangeError)
    const forged = await sign({ sub: 'project:prj_1:environment:production', environment: 'production' })
    expect(await reason(forged)).toBe('claims_unmatched')
  })

  it.each([
    ['no typ', {}, { typ: undefined }, 'token_malformed'],
    ['typ JWT', {}, { typ: 'JWT' }, 'token_malformed'],
    ['the typ of a gateway token', {}, { typ: 'at+jwt' }, 'token_malformed'],
    ['the typ of an attestation', {}, { typ: 'vk-trigger+jwt' }, 'token_malformed'],
    ['another kid', {}, { kid: 'dev-2' }, 'signature_invalid'],
    ['no kid', {}, { kid: undefined }, 'signature_invalid'],
    ['another issuer', { iss: publicUrl }, {}, 'issuer_untrusted'],
    ['another audience', { aud: 'https://other.example' }, {}, 'audience_mismatch'],
    ['a longer life', { exp: now + 43_201 }, {}, 'token_lives_too_long'],
    ['a sub of another project', { sub: 'project:prj_2:environment:development' }, {}, 'claims_unmatched'],
    ['a project that is a list', { project_id: ['prj_1'] }, {}, 'claims_unmatched'],
    ['no environment', { environment: undefined }, {}, 'claims_unmatched'],
  ])('S38 refuses a token of its own key with %s', async (_, change, header, expected) => {
    const { sign, reason } = await setUp()
    expect(await reason(await sign())).toBe('ok')
    expect(await reason(await sign(change, header))).toBe(expected)
  })

  it('S38 refuses a token that another key signed', async () => {
    const { development } = await setUp()
    const { sign } = await setUp()
    expect(await development.verify(await sign())).toMatchObject({ refusal: { reason: 'signature_invalid' } })
  })
})

describe('the identity verifier beside a development issuer', () => {
  async function both(known: boolean) {
    const { development, sign } = await setUp()
    const fake = await createFakeIssuer(issuer)
    const looked: string[] = []
    const verify = createIdentityVerifier({
      rules: {
        rulesFor: async (name) => {
          looked.push(name)
          const claims = { sub: ['project:prj_1:environment:development'] }
          return name === issuer
            ? [
                {
                  id: 'tr_1',
                  projectId: 'prj_9',
                  projectName: 'x',
                  environment: 'production',
                  issuer,
                  audience: publicUrl,
                  claims,
                  refuse: {},
                  maxAgeSeconds: 86_400,
                },
              ]
            : []
        },
      },
      keys: createIssuerKeys({ fetch: fake.fetch, now: () => nowMs, log: silentLog }),
      now: () => nowMs,
      development: known ? development : undefined,
    })
    return { verify, sign, fake, looked }
  }

  it('accepts development identities without asking rules or network', async () => {
    const { verify, sign, fake, looked } = await both(true)
    expect(await verify(await sign())).toMatchObject({
      ok: true,
      value: { projectId: 'prj_1', ruleId: 'development' },
    })
    expect(looked).toEqual([])
    expect(fake.asked).toEqual([])
  })

  it('S38 a rule that names the development issuer admits nothing, whoever signs', async () => {
    const { verify, fake } = await both(true)
    const claims = {
      iss: issuer,
      aud: publicUrl,
      sub: 'project:prj_1:environment:development',
      iat: now,
      exp: now + 60,
    }
    expect((await verify(await fake.sign(claims))).ok).toBe(false)
    expect(fake.asked).toEqual([])
  })

  it('S38 a broker without development identities accepts none', async () => {
    const { verify, sign } = await both(false)
    expect(await verify(await sign())).toMatchObject({ ok: false, refusal: { reason: 'token_malformed' } })
  })
})
