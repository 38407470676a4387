import { afterEach, describe, expect, it, vi } from 'vitest'
import { deleteTokenCacheEntryIn } from '../calls/delete-token-cache-entry.ts'
import { getTokenIn, getTokenResponseIn } from '../calls/get-token.ts'
import type { ConnectEvent } from '../client/events.ts'
import {
  countingFetch,
  deferred,
  errorOf,
  fakeFetch,
  settle,
  testClock,
  testContext,
  tokenResponse,
} from '../test-support/fakes.ts'

const app = { subject: { type: 'app' } } as const
const hour = 3_600_000

const userOf = (id: string) => ({ subject: { type: 'user', id } }) as const

afterEach(() => vi.unstubAllGlobals())

describe('a cached token', () => {
  it('is returned until it ages, to calls that ask for the same in another order', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch, identity: 'me' })
    const first = await getTokenIn(context, 'c', { ...userOf('u'), scopes: ['a', 'b'] }, undefined)
    const second = await getTokenIn(context, 'c', { scopes: ['b', 'a'], ...userOf('u') }, { timeoutMs: 1 })
    expect([first, second]).toEqual(['token-1', 'token-1'])
    expect(fetch.seen).toHaveLength(1)
  })

  it('is frozen throughout: one caller cannot change what the next one gets', async () => {
    const context = testContext({
      fetch: countingFetch(() => ({ origins: ['https://slack.com'] })),
      identity: 'me',
    })
    const response = await getTokenResponseIn(context, 'c', app, undefined)
    expect(Object.isFrozen(response) && Object.isFrozen(response.connector)).toBe(true)
    expect(Object.isFrozen(response.origins)).toBe(true)
  })

  it('is shared by a thousand cold calls through one exchange', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch, identity: 'me' })
    const tokens = await Promise.all(
      Array.from({ length: 1000 }, () => getTokenIn(context, 'c', app, undefined)),
    )
    expect(new Set(tokens)).toEqual(new Set(['token-1']))
    expect(fetch.seen).toHaveLength(1)
  })

  it('is not made of an error', async () => {
    const fetch = fakeFetch((_request, index) =>
      index === 0
        ? Response.json({ error: { code: 'forbidden', message: 'no', requestId: 'r' } }, { status: 403 })
        : Response.json(tokenResponse()),
    )
    const context = testContext({ fetch, identity: 'me' })
    expect((await errorOf(getTokenIn(context, 'c', app, undefined))).code).toBe('forbidden')
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('provider-token')
  })

  it('is renewed in the background once it ages, asking for more life than it has left', async () => {
    const clock = testClock()
    const fetch = countingFetch(() => ({ expiresAt: clock.now() + hour }))
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', app, undefined)
    clock.advance(hour - 60_000)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-1')
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-1')
    await settle()
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-2')
    expect(fetch.seen.map((request) => request.body)).toEqual([app, { ...app, validityBufferMs: 60_000 }])
  })

  it('is waited for once it expires soon, and sooner for a caller who wants a longer buffer', async () => {
    const clock = testClock()
    const fetch = countingFetch(() => ({ expiresAt: clock.now() + hour }))
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', app, undefined)
    clock.advance(hour - 15 * 60_000)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-1')
    expect(await getTokenIn(context, 'c', { ...app, validityBufferMs: 20 * 60_000 }, undefined)).toBe(
      'token-2',
    )
    clock.advance(hour - 10_000)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-3')
  })

  it('stays in use while its renewal fails, and is not renewed in a tight loop', async () => {
    const clock = testClock()
    const fetch = fakeFetch((_request, index) =>
      index === 0
        ? Response.json(tokenResponse({ expiresAt: clock.now() + hour }))
        : Response.json({ error: { code: 'identity_invalid' } }, { status: 401 }),
    )
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', app, undefined)
    clock.advance(hour - 100_000)
    for (let call = 0; call < 20; call++) {
      expect(await getTokenIn(context, 'c', app, undefined)).toBe('provider-token')
      await Promise.resolve()
    }
    await settle()
    for (let call = 0; call < 20; call++) await getTokenIn(context, 'c', app, undefined)
    await settle()
    expect(fetch.seen).toHaveLength(2)
    clock.advance(11_000)
    await getTokenIn(context, 'c', app, undefined)
    await settle()
    expect(fetch.seen).toHaveLength(3)
    clock.advance(60_000)
    expect((await errorOf(getTokenIn(context, 'c', app, undefined))).code).toBe('identity_invalid')
  })

  it('that arrives expiring is asked for at most once a second', async () => {
    const clock = testClock()
    const expiresAt = clock.now() + 100_000
    const fetch = fakeFetch(() => Response.json(tokenResponse({ expiresAt })))
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', app, undefined)
    clock.advance(80_000)
    for (let call = 0; call < 50; call++) await getTokenIn(context, 'c', app, undefined)
    expect(fetch.seen).toHaveLength(2)
    clock.advance(1001)
    for (let call = 0; call < 50; call++) await getTokenIn(context, 'c', app, undefined)
    expect(fetch.seen).toHaveLength(3)
  })

  it('is passed over by forceRefresh, which shares its exchange with calls of the same moment', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch, identity: 'me' })
    await getTokenIn(context, 'c', app, undefined)
    const forced = [1, 2, 3].map(() => getTokenIn(context, 'c', app, { forceRefresh: true }))
    expect(await Promise.all(forced)).toEqual(['token-2', 'token-2', 'token-2'])
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-2')
    expect(fetch.seen).toHaveLength(2)
  })

  it('asked for with forceRefresh is never the answer to a question sent before', async () => {
    const gate = deferred<void>()
    let underWay = 0
    let most = 0
    const fetch = fakeFetch(async (_request, index) => {
      most = Math.max(most, ++underWay)
      if (index === 0) await gate.promise
      underWay--
      return Response.json(tokenResponse({ token: `token-${index + 1}` }))
    })
    const context = testContext({ fetch, identity: 'me' })
    const first = getTokenIn(context, 'c', app, undefined)
    await settle()
    const forced = [1, 2].map(() => getTokenIn(context, 'c', app, { forceRefresh: true }))
    await settle()
    gate.resolve()
    expect(await first).toBe('token-1')
    expect(await Promise.all(forced)).toEqual(['token-2', 'token-2'])
    expect(most).toBe(1)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-2')
  })

  it('is renewed where `waitUntil` keeps the process alive, and in the foreground on workerd without it', async () => {
    const clock = testClock()
    const fetch = countingFetch(() => ({ expiresAt: clock.now() + hour }))
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', app, undefined)
    clock.advance(hour - 60_000)
    const kept: Promise<unknown>[] = []
    vi.stubGlobal('navigator', { userAgent: 'Cloudflare-Workers' })
    const waitUntil = (promise: Promise<unknown>): void => void kept.push(promise)
    expect(await getTokenIn(context, 'c', app, { waitUntil })).toBe('token-1')
    expect(kept).toHaveLength(1)
    await kept[0]
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-2')
    clock.advance(hour - 60_000)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-3')
  })

  it('survives a failing renewal in the foreground', async () => {
    const clock = testClock()
    const fetch = fakeFetch((_request, index) =>
      index === 0
        ? Response.json(tokenResponse({ expiresAt: clock.now() + hour }))
        : new Response('', { status: 400 }),
    )
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', app, undefined)
    clock.advance(hour - 60_000)
    vi.stubGlobal('navigator', { userAgent: 'Cloudflare-Workers' })
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('provider-token')
  })

  it("takes Vercel's own waitUntil when no option is given", async () => {
    const clock = testClock()
    const context = testContext({
      fetch: countingFetch(() => ({ expiresAt: clock.now() + hour })),
      identity: 'me',
      now: clock.now,
    })
    await getTokenIn(context, 'c', app, undefined)
    clock.advance(hour - 60_000)
    const waitUntil = vi.fn()
    vi.stubGlobal(Symbol.for('@vercel/request-context') as never, { get: () => ({ waitUntil }) })
    await getTokenIn(context, 'c', app, undefined)
    expect(waitUntil).toHaveBeenCalledOnce()
  })
})

describe('an eviction', () => {
  it('reaches an exchange under way: its answer goes to those who waited and not into the cache', async () => {
    const gate = deferred<void>()
    const fetch = fakeFetch(async (_request, index) => {
      if (index === 0) await gate.promise
      return Response.json(tokenResponse({ token: `token-${index + 1}` }))
    })
    const context = testContext({ fetch, identity: 'me' })
    const before = getTokenIn(context, 'c', app, undefined)
    await settle()
    // Another token of the same caller, so that what is shared between the two exchanges stays.
    await getTokenIn(context, 'other', app, undefined)
    deleteTokenCacheEntryIn(context, 'c', app, undefined)
    const after = getTokenIn(context, 'c', app, undefined)
    expect(await after).toBe('token-3')
    gate.resolve()
    expect(await before).toBe('token-1')
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-3')
  })

  it('lets the next exchange say which token was rejected, until one has answered', async () => {
    const fetch = fakeFetch((_request, index) =>
      index === 1
        ? new Response('', { status: 400 })
        : Response.json(tokenResponse({ token: `token-${index + 1}`, tokenId: `stk_${index + 1}` })),
    )
    const context = testContext({ fetch, identity: 'me' })
    await getTokenIn(context, 'c', app, undefined)
    deleteTokenCacheEntryIn(context, 'c', app, undefined)
    await errorOf(getTokenIn(context, 'c', app, undefined))
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('token-3')
    await getTokenIn(context, 'c', app, { forceRefresh: true })
    expect(fetch.seen.map((request) => request.body)).toEqual([
      app,
      { ...app, rejectedTokenId: 'stk_1' },
      { ...app, rejectedTokenId: 'stk_1' },
      app,
    ])
  })
})

it('sends the context of a call, which changes no key', async () => {
  const fetch = countingFetch()
  const context = testContext({ fetch, identity: 'me' })
  await getTokenIn(context, 'c', app, { context: { toolCallId: 'call_1' } })
  await getTokenIn(context, 'c', app, { context: { toolCallId: 'call_2' } })
  expect(fetch.seen.map((request) => request.body)).toEqual([{ ...app, context: { toolCallId: 'call_1' } }])
})

it('survives a hook that fails later', async () => {
  const onEvent = async (): Promise<void> => {
    throw new Error('the hook is broken')
  }
  const context = testContext({ fetch: countingFetch(), identity: 'me', onEvent })
  await getTokenIn(context, 'c', app, undefined)
  // An unhandled rejection, which would end a process, shows by then.
  await settle()
})

it('tells the hook what happens, without secrets, and survives what it throws', async () => {
  const events: ConnectEvent[] = []
  const context = testContext({
    fetch: countingFetch(),
    identity: 'secret-identity',
    onEvent(event) {
      events.push(event)
      throw new Error('the hook is broken')
    },
  })
  await getTokenIn(context, 'c', userOf('secret-user'), undefined)
  await getTokenIn(context, 'c', userOf('secret-user'), undefined)
  deleteTokenCacheEntryIn(context, 'c', userOf('secret-user'), undefined)
  expect(events.map((event) => event.type)).toEqual([
    'exchange_started',
    'exchange_finished',
    'cache_hit',
    'cache_evicted',
  ])
  expect(JSON.stringify(events)).not.toMatch(/secret|token-1/)
})
