import { type ConnectTokenParams, createClient, isConnectError } from '@valetkey/sdk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const app = { subject: { type: 'app' } } as const
const sent: { readonly url: string; readonly body: string; readonly authorization: string | null }[] = []
const fetch: typeof globalThis.fetch = async (input, init) => {
  const authorization = new Headers(init?.headers).get('authorization')
  sent.push({ url: String(input), body: typeof init?.body === 'string' ? init.body : '', authorization })
  return Response.json({
    token: `token-${sent.length}`,
    expiresAt: Date.now() + 3_600_000,
    connector: { id: 'scl_1', uid: 'vault/x', type: 'vault' },
  })
}
let client = createClient({ url: 'https://broker.example', identity: 'id', fetch })

beforeEach(() => {
  sent.length = 0
  client = createClient({ url: 'https://broker.example', identity: 'id', fetch })
})

/** What is hostile here is no `ConnectTokenParams`, and the compiler is right to say so. */
const ask = (params: unknown, options?: unknown) =>
  client.getToken('vault/x', params as ConnectTokenParams, options as undefined)

/** The code of the error of a call, thrown at once or later; 'none' when there was no error. */
async function codeOf(call: () => unknown): Promise<string> {
  const started = performance.now()
  try {
    await call()
    return 'none'
  } catch (error) {
    if (!isConnectError(error)) throw error
    expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain('secret-value')
    return error.code
  } finally {
    expect(performance.now() - started).toBeLessThan(2_000)
  }
}

const parsed = (text: string): unknown => JSON.parse(text)
const cyclic: Record<string, unknown> = { type: 'x' }
cyclic.self = cyclic
const detail = (fields: unknown) => ({ ...app, authorizationDetails: [fields] })
const deep = (levels: number) => {
  let value: unknown = 1
  for (let level = 0; level < levels; level += 1) value = { value }
  return value
}
const throwing = (name: string, base: object = {}) =>
  Object.defineProperty({ ...base }, name, {
    enumerable: true,
    get: () => {
      throw new Error('secret-value')
    },
  })
const sparse: unknown[] = []
sparse.length = 4_294_967_295

describe('S35 hostile params', () => {
  const hostile: readonly (readonly [string, unknown])[] = [
    ['nothing', undefined],
    ['null', null],
    ['a list', [app]],
    ['a function', () => app],
    ['a number', 1],
    ['__proto__ in params', parsed('{"subject":{"type":"app"},"__proto__":{"scopes":["x"]}}')],
    ['constructor in params', parsed('{"subject":{"type":"app"},"constructor":{"prototype":{"a":1}}}')],
    ['__proto__ in a subject', parsed('{"subject":{"type":"app","__proto__":{"id":"x"}}}')],
    ['a subject by prototype', { subject: Object.create({ type: 'app' }) }],
    ['params by prototype', Object.create(app)],
    ['__proto__ in a detail', detail(parsed('{"type":"x","__proto__":{"a":1}}'))],
    ['__proto__ deep in a detail', detail(parsed('{"type":"x","a":[{"__proto__":{"a":1}}]}'))],
    [
      '__proto__ in claims',
      parsed('{"subject":{"type":"jwt-bearer","sub":"x","additionalClaims":{"__proto__":{}}}}'),
    ],
    ['a detail by prototype', detail(Object.create({ type: 'x' }))],
    ['a cycle', detail(cyclic)],
    ['a BigInt', detail({ type: 'x', n: 1n })],
    ['a function in a detail', detail({ type: 'x', f: () => 1 })],
    ['a toJSON of its own', detail({ type: 'x', toJSON: () => ({ type: 'y' }) })],
    ['a symbol', detail({ type: 'x', s: Symbol('s') })],
    ['a date', detail({ type: 'x', d: new Date(0) })],
    ['a map', detail({ type: 'x', m: new Map([['a', 1]]) })],
    ['bytes', detail({ type: 'x', b: new Uint8Array(2) })],
    ['NaN', detail({ type: 'x', n: Number.NaN })],
    ['Infinity', detail({ type: 'x', n: Number.POSITIVE_INFINITY })],
    ['a hole in a list', { ...app, scopes: Object.assign(new Array(3), { 0: 'a', 2: 'b' }) }],
    ['a list of four thousand million holes', { ...app, scopes: sparse }],
    ['the same in details', detail({ type: 'x', a: sparse })],
    ['a huge scope', { ...app, scopes: ['x'.repeat(10_000_000)] }],
    ['many scopes', { ...app, scopes: Array.from({ length: 100_000 }, (_, index) => `s${index}`) }],
    ['a huge detail', detail({ type: 'x', a: 'x'.repeat(10_000_000) })],
    [
      'many fields',
      detail({ type: 'x', ...Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`f${i}`, 1])) }),
    ],
    [
      'many details',
      {
        ...app,
        authorizationDetails: Array.from({ length: 1_000 }, () => ({
          type: 'x',
          a: 'y'.repeat(100),
          r: Math.random(),
        })),
      },
    ],
    ['deep nesting', detail({ type: 'x', a: deep(100_000) })],
    ['a huge user id', { subject: { type: 'user', id: 'x'.repeat(10_000_000) } }],
    ['a number that looks like an id', { subject: { type: 'user', id: { toString: () => 'alice' } } }],
    ['a boxed string', { subject: { type: 'user', id: Object('alice') } }],
    ['a throwing subject', throwing('subject')],
    ['a throwing scope list', throwing('scopes', app)],
    ['a throwing detail', detail(throwing('a', { type: 'x' }))],
    [
      'a throwing proxy',
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('secret-value')
          },
        },
      ),
    ],
    ['a proxy that lies about its keys', new Proxy({}, { ownKeys: () => ['subject', 'subject'] as never })],
    ['a revoked proxy', revokedProxy()],
    ['an empty list', { ...app, scopes: [] }],
    ['an unknown key', { ...app, 'secret-valu': 1 }],
  ]
  it.each(hostile)('S35 %s sends nothing and is the caller’s mistake', async (_what, params) => {
    expect(await codeOf(() => ask(params))).toBe('invalid_request')
    expect(sent).toEqual([])
    expect(Reflect.get({}, 'scopes')).toBeUndefined()
    expect(Reflect.get({}, 'a')).toBeUndefined()
  })

  it.each([
    ['an unknown option', { timeout: 1 }],
    ['a throwing option', throwing('signal')],
    ['__proto__ in options', parsed('{"__proto__":{"identityToken":"x"}}')],
    ['a timeout of NaN', { timeoutMs: Number.NaN }],
    ['a signal that is none', { signal: { aborted: 'no' } }],
    ['a region that leads elsewhere', { region: 'evil.example/' }],
    ['a context with more', { context: { toolCallId: 'a', token: 'secret-value' } }],
  ])('S35 %s sends nothing either', async (_what, options) => {
    expect(await codeOf(() => ask(app, options))).toBe('invalid_request')
    expect(sent).toEqual([])
  })

  it.each(['id\r\nx-evil: 1', 'id id', '\u0000', 'id\u{1f600}', ' ', 'x'.repeat(20_000)])(
    'S35 an identity that is no header (%j) is not sent',
    async (identityToken) => {
      expect(await codeOf(() => ask(app, { identityToken }))).toMatch(
        /^(?:identity_unavailable|invalid_request)$/,
      )
      expect(sent).toEqual([])
    },
  )

  it.each([
    '.',
    '..',
    '../../connectors/x',
    'a/../../b',
    'a?b=c',
    'a#b',
    'a\r\nb',
    'a%2fb',
    '//evil.example',
    'https://evil.example',
    '\\\\evil',
    '\ud800',
    '',
    'x'.repeat(600),
  ])('S35 the connector %j is one segment of one path, or an error', async (connector) => {
    const code = await codeOf(() => client.getToken(connector, app))
    if (code !== 'none') {
      expect([code, sent]).toEqual(['invalid_request', []])
      return
    }
    const url = new URL(sent[0]?.url ?? '')
    expect(url.origin).toBe('https://broker.example')
    expect(url.pathname).toMatch(/^\/v1\/connect\/token\/[^/]+$/)
    expect(`${url.search}${url.hash}`).toBe('')
    expect(decodeURIComponent(url.pathname.slice('/v1/connect/token/'.length))).toBe(connector)
  })
})

describe('S35 a polluted Object.prototype', () => {
  const pollution = {
    subject: { type: 'user', id: 'mallory' },
    scopes: ['admin'],
    id: 'mallory',
    installationId: 'mallory',
    authorizationDetails: [{ type: 'everything' }],
    identityToken: 'mallory',
    forceRefresh: true,
    url: 'https://evil.example',
    identity: 'mallory',
  }

  beforeEach(() => {
    for (const [name, value] of Object.entries(pollution))
      Object.defineProperty(Object.prototype, name, {
        value,
        configurable: true,
        writable: true,
        enumerable: false,
      })
  })
  afterEach(() => {
    for (const name of Object.keys(pollution)) Reflect.deleteProperty(Object.prototype, name)
  })

  it('S35 changes nothing that is sent', async () => {
    const fresh = createClient({ url: 'https://broker.example', identity: 'id', fetch })
    const params: unknown = parsed('{"subject":{"type":"app"}}')
    const token = await fresh.getToken('vault/x', params as ConnectTokenParams, parsed('{}') as object)
    expect(token).toBe('token-1')
    const [request] = sent
    expect(request?.url).toBe('https://broker.example/v1/connect/token/vault%2Fx')
    expect(request?.body).toBe('{"subject":{"type":"app"}}')
    expect(request?.authorization).toBe('Bearer id')
  })

  it('S35 fills in no subject and no user', async () => {
    for (const params of ['{}', '{"subject":{"type":"user"}}', '{"subject":{}}'])
      expect(await codeOf(() => ask(parsed(params)))).toBe('invalid_request')
    expect(sent).toEqual([])
  })
})

describe('S35 the caller’s objects', () => {
  it('S35 are read once and never changed', async () => {
    const touched: string[] = []
    const watch = <Target extends object>(target: Target): Target =>
      new Proxy(target, {
        get: (object, name, receiver) => {
          const value: unknown = Reflect.get(object, name, receiver)
          if (!Array.isArray(object)) touched.push(`get ${String(name)}`)
          return typeof value === 'object' && value !== null ? watch(value) : value
        },
        set: () => Boolean(touched.push('set')),
        deleteProperty: () => Boolean(touched.push('delete')),
        defineProperty: () => Boolean(touched.push('define')),
        setPrototypeOf: () => Boolean(touched.push('prototype')),
      })
    const params = { subject: { type: 'user', id: 'alice' }, scopes: ['b', 'a', 'b'], resources: ['r'] }
    const before = structuredClone(params)
    await ask(watch(params))
    expect(params).toEqual(before)
    expect(touched.filter((touch) => !touch.startsWith('get'))).toEqual([])
    const reads = touched.filter((touch) => touch.startsWith('get'))
    expect(new Set(reads).size).toBe(reads.length)
  })

  it('S35 may be frozen throughout', async () => {
    const frozen = Object.freeze({
      subject: Object.freeze({ type: 'app' }),
      scopes: Object.freeze(['b', 'a']),
    })
    expect(await ask(frozen)).toBe('token-1')
  })

  it('S35 may change their mind afterwards without effect', async () => {
    const params = { subject: { type: 'user', id: 'alice' }, scopes: ['a'] }
    const pending = ask(params)
    params.subject.id = 'mallory'
    params.scopes.push('admin')
    await pending
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ subject: { type: 'user', id: 'alice' }, scopes: ['a'] })
    // And under the name of the first meaning only.
    expect(await ask({ subject: { type: 'user', id: 'alice' }, scopes: ['a'] })).toBe('token-1')
    expect(await ask(params)).toBe('token-2')
  })

  it('S35 that answer differently each time are asked once: key and request agree', async () => {
    const ids = ['alice', 'mallory', 'mallory', 'mallory']
    const shifty = Object.defineProperty({ type: 'user' }, 'id', { enumerable: true, get: () => ids.shift() })
    await ask({ subject: shifty })
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ subject: { type: 'user', id: 'alice' } })
    expect(await ask({ subject: { type: 'user', id: 'alice' } })).toBe('token-1')
  })
})

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
