import { describe, expect, it } from 'vitest'
import { errorThrownBy } from '../test-support/fakes.ts'
import { paramsOnWire } from './on-wire.ts'
import { checkTokenRequest, isPlainlySame, requestKey } from './token-request.ts'

const user = { type: 'user', id: 'u' }
const key = (connector: unknown, params: unknown): string => requestKey(checkTokenRequest(connector, params))
const keyOf = (params: unknown): string => key('slack/mybot', params)

describe('the cache key', () => {
  it('is the same whatever the order of fields, scopes, resources, audiences and details', () => {
    const one = {
      subject: { type: 'user', id: 'u', issuer: 'i' },
      scopes: ['a', 'b', 'c'],
      resources: ['r1', 'r2'],
      audience: ['x', 'y'],
      authorizationDetails: [{ type: 't', a: 1, b: { c: 2, d: 3 } }, { type: 's' }],
      installationId: '1',
    }
    const other = {
      installationId: '1',
      authorizationDetails: [{ type: 's' }, { b: { d: 3, c: 2 }, a: 1, type: 't' }],
      audience: ['y', 'x'],
      resources: ['r2', 'r1'],
      scopes: ['c', 'a', 'b', 'a'],
      subject: { issuer: 'i', id: 'u', type: 'user' },
    }
    expect(keyOf(other)).toBe(keyOf(one))
  })

  it('treats the lists that RFC 9396 and GitHub define as sets, and keeps the order of others', () => {
    const detail = (fields: object): string =>
      keyOf({ subject: user, authorizationDetails: [{ type: 't', ...fields }] })
    expect(detail({ repositories: ['a/b', 'c/d'] })).toBe(detail({ repositories: ['c/d', 'a/b', 'a/b'] }))
    expect(detail({ range: [1, 2] })).not.toBe(detail({ range: [2, 1] }))
  })

  it("takes ['*'] as no scopes, and a buffer as no part of it", () => {
    expect(keyOf({ subject: user, scopes: ['*'] })).toBe(keyOf({ subject: user }))
    expect(keyOf({ subject: user, scopes: ['*', 'a'] })).not.toBe(keyOf({ subject: user }))
    expect(keyOf({ subject: user, validityBufferMs: 1 })).toBe(keyOf({ subject: user }))
  })

  it('S17 tells apart everything that can tell two tokens apart', () => {
    const requests: [string, object][] = [
      ['slack/mybot', { subject: { type: 'app' } }],
      ['slack/other', { subject: { type: 'app' } }],
      ['slack/mybot', { subject: { type: 'user', id: 'a' } }],
      ['slack/mybot', { subject: { type: 'user', id: 'a', issuer: 'i' } }],
      ['slack/mybot', { subject: { type: 'user', id: 'a', issuer: 'j' } }],
      ['slack/mybot', { subject: { type: 'token', token: 'a' } }],
      ['slack/mybot', { subject: { type: 'jwt-bearer', sub: 'a' } }],
      ['slack/mybot', { subject: { type: 'jwt-bearer', sub: 'a', iss: 'i' } }],
      ['slack/mybot', { subject: { type: 'jwt-bearer', sub: 'a', aud: 'i' } }],
      ['slack/mybot', { subject: { type: 'jwt-bearer', sub: 'a', additionalClaims: { x: 1 } } }],
      ['slack/mybot', { subject: { type: 'jwt-bearer', sub: 'a', additionalClaims: { x: '1' } } }],
      ['slack/mybot', { subject: user, scopes: ['a'] }],
      ['slack/mybot', { subject: user, scopes: ['a', 'b'] }],
      ['slack/mybot', { subject: user, scopes: ['a,b'] }],
      ['slack/mybot', { subject: user, scopes: ['a b'] }],
      ['slack/mybot', { subject: user, resources: ['a'] }],
      ['slack/mybot', { subject: user, audience: ['a'] }],
      ['slack/mybot', { subject: user, installationId: 'a' }],
      ['slack/mybot', { subject: user, authorizationDetails: [{ type: 'a' }] }],
      ['slack/mybot', { subject: user, authorizationDetails: [{ type: 'a', b: 1 }] }],
      ['slack/mybot', { subject: user, authorizationDetails: [{ type: 'a' }, { type: 'b', b: 1 }] }],
    ]
    expect(new Set(requests.map(([connector, params]) => key(connector, params))).size).toBe(requests.length)
  })

  it('S17 never collides for ids that imitate the key’s own syntax', () => {
    // Every combination of hostile ids in four places, against a reference that cannot collide.
    const hostile = [
      'a',
      '-',
      '1:a',
      'a-1:a',
      '1;1:a',
      'S1;1:a',
      'i1:a',
      '"',
      '\\',
      '\u0000',
      'a\ni1:a',
      '\ud800',
      'é',
      '0:',
    ]
    const seen = new Map<string, string>()
    const pick = (index: number): string => hostile[index % hostile.length] ?? ''
    for (let a = 0; a < hostile.length; a++)
      for (let b = 0; b < hostile.length; b++)
        for (let c = 0; c <= hostile.length; c++)
          for (const issuer of [undefined, pick(a + b)]) {
            const params = {
              subject: { type: 'user', id: pick(a), ...(issuer === undefined ? undefined : { issuer }) },
              installationId: pick(b),
              ...(c === hostile.length ? undefined : { scopes: [pick(c), pick(c + 3)] }),
            }
            const reference = JSON.stringify({ ...params, scopes: [...(params.scopes ?? [])].sort() })
            const made = keyOf(params)
            expect(seen.get(made) ?? reference).toBe(reference)
            seen.set(made, reference)
          }
  })

  it('S17 never collides for any short ids over the characters of its own syntax', () => {
    const words = (alphabet: string, length: number): string[] =>
      length === 0
        ? ['']
        : words(alphabet, length - 1).flatMap((word) => ['', ...alphabet].map((char) => word + char))
    const unique = (alphabet: string, length: number): string[] =>
      [...new Set(words(alphabet, length))].filter((word) => word !== '')
    const seen = new Set<string>()
    let made = 0
    const add = (params: object): void => {
      made++
      seen.add(keyOf(params))
    }
    for (const id of unique('a-2:', 4))
      for (const issuer of [undefined, ...unique('a-:', 2)]) add({ subject: { type: 'user', id, issuer } })
    for (const one of unique('a:1;', 3))
      for (const other of unique('a:1;', 3))
        if (one < other) add({ subject: { type: 'app' }, scopes: [one, other] })
    expect(seen.size).toBe(made)
  })

  it('agrees with the quick comparison that stands in for it', () => {
    const variants = [
      { subject: user },
      { subject: user, scopes: ['a', 'b'] },
      { subject: user, scopes: ['b', 'a'] },
      { subject: user, resources: ['a', 'b'] },
      { subject: user, installationId: 'a' },
      { subject: { type: 'token', token: 'u' } },
      { subject: { type: 'jwt-bearer', sub: 'u' } },
      { subject: { type: 'user', id: 'u', issuer: 'i' } },
      { subject: user, authorizationDetails: [{ type: 'a' }] },
      { subject: user, audience: ['a', 'b'] },
    ].map((params) => checkTokenRequest('c', params))
    for (const one of variants)
      for (const other of variants)
        if (isPlainlySame(one, other)) expect(requestKey(one)).toBe(requestKey(other))
    for (const one of variants) expect(isPlainlySame(one, { ...one })).toBe(true)
  })
})

describe('params', () => {
  it.each([
    ['an unknown key', { subject: user, scope: ['secret-value'] }, '"scope"'],
    ['an unknown key of the subject', { subject: { type: 'user', id: 'u', name: 'secret-value' } }, '"name"'],
    [
      'a field that the subject type does not have',
      { subject: { type: 'app', id: 'secret-value' } },
      'subject.id',
    ],
    ['a field of another type on a user', { subject: { ...user, token: 'secret-value' } }, 'subject.token'],
    ['a missing subject', { scopes: ['a'] }, 'subject'],
    ['an unknown subject type', { subject: { type: 'secret-value' } }, 'subject.type'],
    ['an empty user id', { subject: { type: 'user', id: '' } }, 'subject.id'],
    ['empty scopes', { subject: user, scopes: [] }, 'scopes'],
    ['empty resources', { subject: user, resources: [] }, 'resources'],
    ['an empty audience', { subject: user, audience: [] }, 'audience'],
    ['empty details', { subject: user, authorizationDetails: [] }, 'authorizationDetails'],
    ['scopes that are not a list', { subject: user, scopes: 'secret-value' }, 'scopes'],
    ['a scope that is not a string', { subject: user, scopes: ['a', 1] }, 'scopes[1]'],
    ['a detail without a type', { subject: user, authorizationDetails: [{ a: 'secret-value' }] }, 'type'],
    ['a detail that is not an object', { subject: user, authorizationDetails: ['secret-value'] }, '[0]'],
    ['a negative buffer', { subject: user, validityBufferMs: -1 }, 'validityBufferMs'],
    ['a buffer that is no number', { subject: user, validityBufferMs: Number.NaN }, 'validityBufferMs'],
    ['null', null, 'params'],
  ])('are refused for %s, naming it and not its value', (_what, params, name) => {
    const error = errorThrownBy(() => checkTokenRequest('slack/mybot', params))
    expect(error.code).toBe('invalid_request')
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('secret-value')
  })

  it.each([[''], ['.'], ['..'], [undefined], ['x'.repeat(513)]])('refuse the connector %j', (connector) => {
    expect(errorThrownBy(() => checkTokenRequest(connector, { subject: user })).code).toBe('invalid_request')
  })

  it('take undefined as absent', () => {
    const params = { subject: { ...user, issuer: undefined }, scopes: undefined, validityBufferMs: undefined }
    expect(keyOf(params)).toBe(keyOf({ subject: user }))
    expect(paramsOnWire(checkTokenRequest('c', params))).toEqual({ subject: user })
  })

  it('travel in the caller’s order, every kind of subject', () => {
    const params = {
      subject: {
        type: 'jwt-bearer',
        sub: 's',
        iss: 'i',
        aud: 'a',
        additionalClaims: { b: 1, a: [true, null] },
      },
      installationId: 'i',
      audience: ['b', 'a'],
      scopes: ['b', 'a', 'c'],
      resources: ['r'],
      authorizationDetails: [{ type: 'z', n: { m: [1, 'two'] } }],
    }
    expect(paramsOnWire(checkTokenRequest('c', params))).toEqual(params)
    expect(paramsOnWire(checkTokenRequest('c', { subject: { type: 'token', token: 't' } }))).toEqual({
      subject: { type: 'token', token: 't' },
    })
  })
})

describe('hostile params', () => {
  it('S35 ignores what a polluted prototype adds', () => {
    const polluted = Object.prototype as Record<string, unknown>
    const clean = keyOf({ subject: { type: 'app' } })
    polluted.scopes = ['admin']
    polluted.installationId = 'theirs'
    polluted.issuer = 'theirs'
    polluted.validityBufferMs = -1
    try {
      const request = checkTokenRequest('slack/mybot', { subject: { type: 'app' } })
      expect(requestKey(request)).toBe(clean)
      expect(paramsOnWire(request)).toEqual({ subject: { type: 'app' } })
      expect(Object.keys(paramsOnWire(request))).toEqual(['subject'])
    } finally {
      for (const name of ['scopes', 'installationId', 'issuer', 'validityBufferMs']) delete polluted[name]
    }
  })

  it('S35 ignores inherited fields and refuses __proto__ as a field', () => {
    const inherited = Object.create({ subject: user })
    expect(errorThrownBy(() => checkTokenRequest('c', inherited)).message).toContain('subject must be given')
    for (const text of [
      '{"subject":{"type":"app"},"__proto__":{"scopes":["admin"]}}',
      '{"subject":{"type":"app","__proto__":{"id":"x"}}}',
      '{"subject":{"type":"app"},"authorizationDetails":[{"type":"t","__proto__":{"admin":true}}]}',
      '{"subject":{"type":"jwt-bearer","sub":"s","additionalClaims":{"a":{"__proto__":{}}}}}',
    ])
      expect(errorThrownBy(() => checkTokenRequest('c', JSON.parse(text))).code).toBe('invalid_request')
    expect(({} as Record<string, unknown>).admin).toBeUndefined()
  })

  it('S35 reads every getter once, so that an answer which changes is taken at its first word', () => {
    let reads = 0
    const flip = <Value>(values: Value[]): Value | undefined => values[Math.min(reads++, values.length - 1)]
    const params = {
      subject: {
        type: 'user',
        get id() {
          return flip(['first', 'second'])
        },
      },
    }
    const request = checkTokenRequest('c', params)
    expect(reads).toBe(1)
    expect(paramsOnWire(request)).toEqual({ subject: { type: 'user', id: 'first' } })
    expect(reads).toBe(1)
  })

  it('S35 turns what a getter or a proxy throws into invalid_request, without quoting it', () => {
    const throwing = {
      get subject(): unknown {
        throw new Error('secret-value')
      },
    }
    const proxy = new Proxy(
      { subject: user },
      {
        ownKeys() {
          throw new Error('secret-value')
        },
      },
    )
    for (const params of [throwing, proxy]) {
      const error = errorThrownBy(() => checkTokenRequest('c', params))
      expect(error.code).toBe('invalid_request')
      expect(error.message).not.toContain('secret-value')
      expect(error.cause).toBeUndefined()
    }
  })

  it('S35 takes a well-behaved proxy and a frozen object, and changes neither', () => {
    const scopes = Object.freeze(['b', 'a'])
    const params = Object.freeze({ subject: Object.freeze({ type: 'user', id: 'u' }), scopes })
    const forbidding: ProxyHandler<object> = {
      set() {
        throw new Error('written to')
      },
      defineProperty() {
        throw new Error('written to')
      },
      deleteProperty() {
        throw new Error('written to')
      },
    }
    expect(keyOf(new Proxy({ ...params }, forbidding))).toBe(keyOf(params))
    expect(scopes).toEqual(['b', 'a'])
  })

  it('S35 refuses huge, deep, cyclic and unserialisable inputs at once', () => {
    const cyclic: Record<string, unknown> = { type: 't' }
    cyclic.self = cyclic
    let deep: unknown = 1
    for (let level = 0; level < 10_000; level++) deep = [deep]
    const many = Array.from({ length: 1001 }, (_, index) => `s${index}`)
    const endless = new Proxy([], { get: (_target, name) => (name === 'length' ? 2 ** 32 - 1 : 'x') })
    const inputs: object[] = [
      { subject: { type: 'user', id: 'x'.repeat(2049) } },
      { subject: { type: 'token', token: 'x'.repeat(16_385) } },
      { subject: user, scopes: many },
      { subject: user, scopes: endless },
      { subject: user, scopes: Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(2000, 'x')) },
      { subject: user, authorizationDetails: [cyclic] },
      { subject: user, authorizationDetails: [{ type: 't', deep }] },
      { subject: user, authorizationDetails: [{ type: 't', big: 'x'.repeat(70_000) }] },
      { subject: user, authorizationDetails: [{ type: 't', big: Array.from({ length: 70_000 }, () => 1) }] },
      { subject: user, authorizationDetails: [{ type: 't', endless }] },
      {
        subject: user,
        authorizationDetails: Array.from({ length: 900 }, (_, i) => ({ type: `t${i}`, p: 'x'.repeat(100) })),
      },
      { subject: user, authorizationDetails: [{ type: 't', when: new Date() }] },
      { subject: user, authorizationDetails: [{ type: 't', n: 1n }] },
      { subject: user, authorizationDetails: [{ type: 't', n: Number.POSITIVE_INFINITY }] },
      { subject: user, authorizationDetails: [{ type: 't', f: () => 1 }] },
      { subject: { type: 'jwt-bearer', sub: 's', additionalClaims: { big: 'x'.repeat(70_000) } } },
    ]
    const messageFor = (detail: object): string =>
      errorThrownBy(() => keyOf({ subject: user, authorizationDetails: [{ type: 't', ...detail }] })).message
    let levels: unknown = 1
    for (let level = 0; level < 17; level++) levels = { levels }
    expect(messageFor({ levels })).toContain('at most 16 levels deep')
    expect(messageFor({ big: 'x'.repeat(70_000) })).toContain('at most 64 KiB of JSON')
    const started = performance.now()
    for (const params of inputs) expect(errorThrownBy(() => keyOf(params)).code).toBe('invalid_request')
    expect(performance.now() - started).toBeLessThan(2000)
  })
})
