import { describe, expect, it } from 'vitest'
import { explainIdentity } from './explain.ts'
import { explainRule, matchRule } from './match-rule.ts'
import type { TrustRule } from './trust-rule.ts'

const now = 1_800_000_000_000
const seconds = now / 1000

const rule: TrustRule = {
  id: 'tr_1',
  projectId: 'prj_1',
  projectName: 'site',
  environment: 'production',
  issuer: 'https://issuer.example',
  audience: 'https://broker.example',
  claims: { sub: ['workload-1', 'workload-2'], ref: ['refs/heads/*'] },
  refuse: {},
  maxAgeSeconds: 600,
}
const claims = {
  iss: 'https://issuer.example',
  aud: 'https://broker.example',
  sub: 'workload-2',
  ref: 'refs/heads/main',
  iat: seconds,
  exp: seconds + 300,
}

describe('matchRule', () => {
  it('wants every claim, each by any of its values', () => {
    expect(matchRule(rule, claims)).toBe(true)
    expect(matchRule(rule, { ...claims, sub: 'workload-3' })).toBe(false)
    expect(matchRule(rule, { ...claims, ref: undefined })).toBe(false)
    expect(matchRule(rule, { sub: 'workload-1' })).toBe(false)
  })

  it.each([
    [['main']],
    [[]],
    [{ main: true }],
    [{ toString: 'main' }],
    [null],
    ['Main'],
    ['main\n'],
    ['main-x'],
  ])('S09 main never admits %j', (ref) => {
    expect(matchRule({ refuse: {}, claims: { ref: ['main'] } }, { ref })).toBe(false)
    expect(matchRule({ refuse: {}, claims: { ref: ['main', 'm*'] } }, { ref: [ref] })).toBe(false)
  })

  it('compares numbers and booleans by their text', () => {
    expect(
      matchRule(
        { refuse: {}, claims: { repository_id: ['74'], protected: ['true'] } },
        { repository_id: 74, protected: true },
      ),
    ).toBe(true)
    expect(matchRule({ refuse: {}, claims: { repository_id: ['74'] } }, { repository_id: 740 })).toBe(false)
    expect(matchRule({ refuse: {}, claims: { repository_id: ['74'] } }, { repository_id: '074' })).toBe(false)
  })

  it('S10 does not take two ids beyond 2^53 for one', () => {
    const { id } = JSON.parse('{"id":9007199254740993}') as { id: number }
    expect(matchRule({ refuse: {}, claims: { id: ['9007199254740992'] } }, { id })).toBe(false)
  })

  it('does not admit what the rule refuses, nor what can not be told from it', () => {
    const refusing = { claims: { sub: ['a'] }, refuse: { kind: ['debug', 'test'] } }
    for (const kind of [undefined, null, 'job', 'Debug', 'debugger', 0])
      expect(matchRule(refusing, { sub: 'a', kind })).toBe(true)
    for (const kind of ['debug', 'test', ['debug'], ['job'], { debug: true }, 2 ** 60])
      expect(matchRule(refusing, { sub: 'a', kind })).toBe(false)
    expect(matchRule(refusing, { sub: 'b', kind: 'job' })).toBe(false)
  })

  it('does not find claims on the prototype', () => {
    expect(matchRule({ refuse: {}, claims: { constructor: ['*a*', 'function'] } }, {})).toBe(false)
  })

  it('S10 does not admit the same name under another immutable id', () => {
    const pinned = {
      refuse: {},
      claims: { sub: ['repo:octo/app:*', 'repo:octo@65/app@74:*'], repository_id: ['74'] },
    }
    expect(matchRule(pinned, { sub: 'repo:octo/app:pull_request', repository_id: '74' })).toBe(true)
    expect(matchRule(pinned, { sub: 'repo:octo@65/app@74:pull_request', repository_id: '74' })).toBe(true)
    expect(matchRule(pinned, { sub: 'repo:octo/app:pull_request', repository_id: '99' })).toBe(false)
    expect(matchRule(pinned, { sub: 'repo:octo@65/app@99:pull_request', repository_id: '74' })).toBe(false)
  })
})

describe('explainRule', () => {
  it('says of a match where it leads', () => {
    const explained = explainRule(rule, claims, now)
    expect(explained).toMatchObject({ id: 'tr_1', matched: true, environment: 'production' })
    expect(explained.reason).toBe('Every claim matches: site, environment production')
    expect(explained.claims.map(({ claim }) => claim)).toEqual(['iss', 'aud', 'exp', 'sub', 'ref'])
  })

  it.each([
    [{ sub: 'workload-3' }, 'sub: expected "workload-1" or "workload-2", the token has "workload-3"'],
    [{ sub: ['workload-1'] }, 'sub: expected "workload-1" or "workload-2", the token has ["workload-1"]'],
    [
      { iss: 'https://issuer.example/' },
      'iss: expected "https://issuer.example", the token has "https://issuer.example/"',
    ],
    [{ aud: ['https://broker.example', 'x'] }, 'aud: expected "https://broker.example"'],
    [{ exp: seconds - 31, iat: seconds - 60 }, 'exp: the token has expired'],
    [{ iat: seconds + 60 }, 'exp: the token is not valid yet'],
    [{ exp: seconds + 601 }, 'exp: lives 601 seconds, the rule accepts 600'],
    [{ exp: undefined }, 'exp: "exp" is missing or not a number'],
  ])('says what %j fails by', (change, reason) => {
    const explained = explainRule(rule, { ...claims, ...change }, now)
    expect(explained.matched).toBe(false)
    expect(explained.reason).toContain(reason)
  })

  it('names a claim that is missing, and shortens a long one', () => {
    const { ref: _, ...without } = claims
    expect(explainRule(rule, without, now).reason).toBe('ref: expected "refs/heads/*", the token has none')
    expect(explainRule(rule, { ...claims, ref: 'x'.repeat(5_000) }, now).reason.length).toBeLessThan(300)
  })
})

describe('explainIdentity', () => {
  it('allows what one environment of the project admits', () => {
    const preview = { ...rule, id: 'tr_2', environment: 'preview', claims: { sub: ['workload-9'] } }
    const explained = explainIdentity({ rules: [rule, preview], claims, header: { alg: 'RS256' }, now })
    expect(explained).toMatchObject({ allowed: true, environment: 'production' })
    expect(explained.rules.map(({ id, matched }) => [id, matched])).toEqual([
      ['tr_1', true],
      ['tr_2', false],
    ])
  })

  it('S09 does not allow an identity that two environments match', () => {
    const explained = explainIdentity({
      rules: [rule, { ...rule, id: 'tr_2', environment: 'preview' }],
      claims,
      now,
    })
    expect(explained.allowed).toBe(false)
    expect(explained.environment).toBeUndefined()
    expect(explained.reason).toBe('Several environments match: production, preview')
  })

  it('lets claims typed by hand leave out the times, but not a whole token', () => {
    const { exp: _, iat: __, ...typed } = claims
    expect(explainIdentity({ rules: [rule], claims: typed, now }).allowed).toBe(true)
    expect(explainIdentity({ rules: [rule], claims: typed, header: { alg: 'RS256' }, now }).allowed).toBe(
      false,
    )
    expect(explainIdentity({ rules: [rule], claims: { ...typed, exp: 1 }, now }).allowed).toBe(false)
  })

  it.each([[{ alg: 'none' }], [{ alg: 'HS256' }], [{ alg: 'RS256', typ: 'at+jwt' }], [{}]])(
    'S38 does not allow a token with the header %j',
    (header) => {
      expect(explainIdentity({ rules: [rule], claims, header, now }).allowed).toBe(false)
    },
  )

  it('says that there are no rules', () => {
    expect(explainIdentity({ rules: [], claims, now })).toEqual({
      allowed: false,
      reason: 'The project has no trust rules',
      rules: [],
    })
  })
})

it('tells which claim a rule refuses', () => {
  const refusing = { ...rule, refuse: { kind: ['debug'] } }
  const explained = (more: object) => explainRule(refusing, { ...claims, ...more }, now)
  expect(explained({}).matched).toBe(true)
  expect(explained({}).claims.at(-1)).toEqual({
    claim: 'kind',
    matched: true,
    reason: 'not "debug": the token has none',
  })
  expect(explained({ kind: 'job' }).claims.at(-1)?.reason).toBe('"job" is not refused')
  expect(explained({ kind: 'debug' })).toMatchObject({
    matched: false,
    reason: 'kind: the rule refuses "debug", the token has "debug"',
  })
})
