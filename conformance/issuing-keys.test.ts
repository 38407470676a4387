import type { TokenRequest } from '@valetkey/protocol'
import { createClient } from '@valetkey/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
let one: string
let two: string

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver], listen: true })
  one = await (await createProject(broker, issuer, 'one')).identity()
  two = await (await createProject(broker, issuer, 'two')).identity()
  for (const name of ['keys', 'keys-2']) {
    await createVault(broker, name)
    for (const project of ['one', 'two']) await attach(broker, `vault/${name}`, project)
  }
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

const app = { type: 'app' } as const
const user = (id: string, issuer?: string): TokenRequest => ({
  subject: { type: 'user', id, ...(issuer === undefined ? {} : { issuer }) },
})
const assertion = (more: object): TokenRequest => ({ subject: { type: 'jwt-bearer', sub: 'a', ...more } })
const files = (...paths: string[]) => ({ type: 'files', paths })

/** Requests that mean different things, written so that a careless key would fold some of them together. */
const different: readonly TokenRequest[] = [
  { subject: app },
  user('a'),
  user('A'),
  user('a '),
  user(' a'),
  user('a\u0001'),
  user('a\nb'),
  user('a:b'),
  user('a:b', 'c'),
  user('a', 'b:c'),
  user('a', 'b'),
  user('a b'),
  user('a","issuer":"b'),
  user('{"type":"app"}'),
  user('app'),
  user('undefined'),
  user('null'),
  user('[object Object]'),
  user('__proto__'),
  user('constructor'),
  user('1:a'),
  user('1:a', '1:b'),
  user('1:a1:b'),
  user('\u00e9'),
  user('e\u0301'),
  user('\u{1f600}'),
  user('\ud83d\ude01'),
  user('*'),
  user('%61'),
  user('a,b'),
  user('a|b'),
  user('a#b'),
  assertion({}),
  assertion({ iss: 'b' }),
  assertion({ aud: 'b' }),
  assertion({ iss: 'b', aud: 'c' }),
  assertion({ iss: 'c', aud: 'b' }),
  assertion({ additionalClaims: {} }),
  assertion({ additionalClaims: { a: 1 } }),
  assertion({ additionalClaims: { a: '1' } }),
  assertion({ additionalClaims: { a: [1] } }),
  assertion({ additionalClaims: { a: { 0: 1 } } }),
  assertion({ additionalClaims: { a: null } }),
  assertion({ additionalClaims: { a: true } }),
  assertion({ additionalClaims: { a: 1.5 } }),
  assertion({ additionalClaims: { a: [1, 2] } }),
  assertion({ additionalClaims: { a: [2, 1] } }),
  { subject: { type: 'token', token: 'a' } },
  { subject: app, scopes: ['a'] },
  { subject: app, scopes: ['a', 'b'] },
  { subject: app, scopes: ['a b'] },
  { subject: app, scopes: ['a,b'] },
  { subject: app, scopes: ['["a","b"]'] },
  { subject: app, scopes: ['a', 'b', 'c'] },
  { subject: app, scopes: ['ab', 'c'] },
  { subject: app, scopes: ['a', 'bc'] },
  { subject: app, scopes: ['1:a'] },
  { subject: app, scopes: ['a b', 'c'] },
  { subject: app, scopes: ['a', 'b c'] },
  { subject: app, scopes: ['a', 'b', 'c', 'd'] },
  { subject: app, resources: ['a'] },
  { subject: app, audience: ['a'] },
  { subject: app, scopes: ['a'], resources: ['b'] },
  { subject: app, scopes: ['b'], resources: ['a'] },
  { subject: app, scopes: ['a'], audience: ['b'] },
  { subject: app, resources: ['a', 'b'] },
  { subject: app, installationId: 'a' },
  { subject: app, installationId: 'a', scopes: ['a'] },
  { subject: { type: 'user', id: 'a' }, installationId: 'a' },
  { subject: app, authorizationDetails: [files('a')] },
  { subject: app, authorizationDetails: [files('a', 'b')] },
  { subject: app, authorizationDetails: [files('a,b')] },
  { subject: app, authorizationDetails: [files('a'), files('b')] },
  { subject: app, authorizationDetails: [{ ...files('a'), note: 'b' }] },
  { subject: app, authorizationDetails: [{ ...files('a'), note: ['b'] }] },
  { subject: app, authorizationDetails: [{ ...files('a'), note: { b: 1 } }] },
]

/** Requests that mean the same as the one before them in the list. */
const same: readonly (readonly [string, TokenRequest, TokenRequest])[] = [
  ['the order of scopes', { subject: app, scopes: ['x', 'y'] }, { subject: app, scopes: ['y', 'x'] }],
  ['a repeated scope', { subject: app, scopes: ['x', 'z'] }, { subject: app, scopes: ['z', 'x', 'z'] }],
  ['the star', { subject: app, resources: ['x'] }, { subject: app, resources: ['x'], scopes: ['*'] }],
  [
    'the order of fields',
    { subject: { type: 'user', id: 'x', issuer: 'y' }, scopes: ['s'], resources: ['r'] },
    { resources: ['r'], scopes: ['s'], subject: { issuer: 'y', id: 'x', type: 'user' } },
  ],
  [
    'the order of details and of their fields',
    { subject: app, authorizationDetails: [{ type: 'files', paths: ['x'], note: 'n' }, files('y')] },
    { subject: app, authorizationDetails: [files('y'), { note: 'n', paths: ['x'], type: 'files' }] },
  ],
  [
    'the validity buffer',
    { subject: app, audience: ['x'] },
    { subject: app, audience: ['x'], validityBufferMs: 1 },
  ],
  [
    'the order of claims',
    assertion({ additionalClaims: { x: 1, y: { p: 1, q: 2 } } }),
    assertion({ additionalClaims: { y: { q: 2, p: 1 }, x: 1 } }),
  ],
]

describe('S17 keys of the broker', () => {
  const tokenOf = async (identity: string, request: TokenRequest, uid = 'vault/keys') => {
    const answer = await broker.ask(uid, identity, request)
    expect(answer.status).toBe(200)
    return String(answer.body.token)
  }

  it('S17 no two requests that differ are served one token', async () => {
    const tokens: string[] = []
    for (const request of different) tokens.push(await tokenOf(one, request))
    expect(new Set(tokens).size).toBe(different.length)
    // And each is served its own again: keys neither collide nor scatter.
    for (const [index, request] of different.entries())
      expect(await tokenOf(one, request)).toBe(tokens[index])
  })

  it.each(same)('S17 %s makes no difference', async (_what, first, second) => {
    expect(await tokenOf(one, second)).toBe(await tokenOf(one, first))
  })

  it('S17 a tool call id makes no difference', async () => {
    const request = user('with-context')
    const first = await tokenOf(one, request)
    expect(await tokenOf(one, { ...request, context: { toolCallId: 'call-1' } })).toBe(first)
  })

  it('S17 projects and connectors never share a token', async () => {
    const request = user('everywhere')
    const tokens = [
      await tokenOf(one, request),
      await tokenOf(two, request),
      await tokenOf(one, request, 'vault/keys-2'),
      await tokenOf(two, request, 'vault/keys-2'),
    ]
    expect(new Set(tokens).size).toBe(4)
  })

  it('S17 a burst of one request costs one minting, a burst of different ones one each', async () => {
    const before = provider.mints.length
    const burst = await Promise.all(Array.from({ length: 30 }, () => tokenOf(one, user('burst'))))
    expect(new Set(burst).size).toBe(1)
    expect(provider.mints).toHaveLength(before + 1)
    const many = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        tokenOf(index % 2 === 0 ? one : two, user(`burst-${index >> 1}`)),
      ),
    )
    expect(new Set(many).size).toBe(30)
  })
})

describe('S17 keys of the SDK', () => {
  const client = () => createClient({ url: broker.url, now: clock.now, identity: one })

  it('S17 no two calls that differ are answered from one cache entry', async () => {
    const { getToken } = client()
    const tokens: string[] = []
    for (const request of different) tokens.push(await getToken('vault/keys', request))
    expect(new Set(tokens).size).toBe(different.length)
    // After each of the others: what was used last must not be mistaken for what is wanted now.
    for (const before of different)
      for (const [index, request] of different.entries()) {
        await getToken('vault/keys', before)
        expect(await getToken('vault/keys', request)).toBe(tokens[index])
      }
  })

  it.each(same)('S17 %s makes no difference to the cache', async (_what, first, second) => {
    let exchanges = 0
    const { getToken } = createClient({
      url: broker.url,
      now: clock.now,
      identity: one,
      onEvent: (event) => {
        if (event.type === 'exchange_started') exchanges += 1
      },
    })
    expect(await getToken('vault/keys', second)).toBe(await getToken('vault/keys', first))
    expect(exchanges).toBe(1)
  })

  it('S17 connectors whose names run into the subject are kept apart', async () => {
    const { getToken } = client()
    const names = ['vault/keys', 'vault/keys-2']
    const tokens = await Promise.all(names.map((name) => getToken(name, user('2'))))
    expect(new Set(tokens).size).toBe(2)
    // A connector's id and its UID are one connector and may be two entries, but never two callers' tokens.
    const other = await client().getToken('vault/keys', user('2'), { identityToken: two })
    expect(tokens).not.toContain(other)
  })
})
