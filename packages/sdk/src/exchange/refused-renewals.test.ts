import type { ErrorCode } from '@valetkey/protocol'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { forgetFlights } from '../cache/forget-flights.ts'
import { getTokenIn } from '../calls/get-token.ts'
import type { ConnectEvent } from '../client/events.ts'
import type { ConnectOptions } from '../request/types.ts'
import { refusal } from '../test-support/consent.ts'
import {
  deferred,
  errorOf,
  fakeFetch,
  settle,
  testClock,
  testContext,
  tokenResponse,
} from '../test-support/fakes.ts'

const alice = { subject: { type: 'user', id: 'alice' } } as const
const bob = { subject: { type: 'user', id: 'bob' } } as const
const forced: ConnectOptions = { forceRefresh: true }
const hour = 3_600_000

const ending: [ErrorCode, number][] = [
  ['user_authorization_required', 422],
  ['connector_installation_required', 422],
  ['no_token', 422],
  ['forbidden', 403],
  ['above_ceiling', 403],
]

const passing: [ErrorCode, number][] = [
  ['identity_invalid', 401],
  ['identity_expired', 401],
  ['identity_ambiguous', 401],
  ['invalid_request', 400],
  ['provider_refused', 422],
  ['rate_limited', 429],
  ['provider_error', 502],
  ['unavailable', 503],
]

afterEach(() => vi.unstubAllGlobals())

/** The first answer is a token, for `alice` and for `bob`; every later one for `alice` is `answer`. */
function tokensThen(answer: () => Response | Promise<Response>, expiresAt = Date.now() + hour) {
  let given = 0
  return fakeFetch(({ body }) => {
    const { id } = (body as typeof alice).subject
    if ((id as string) === 'bob' || given++ === 0)
      return Response.json(tokenResponse({ token: `token-of-${id}`, expiresAt }))
    return answer()
  })
}

describe('a token that the issuing point has just refused', () => {
  it.each(ending)('is not served any more after a forced refresh got %s', async (code, status) => {
    const events: ConnectEvent[] = []
    const fetch = tokensThen(() => refusal(status, code, 'no'))
    const context = testContext({ fetch, identity: 'me', onEvent: (event) => void events.push(event) })
    await getTokenIn(context, 'c', alice, undefined)
    await getTokenIn(context, 'c', bob, undefined)
    expect((await errorOf(getTokenIn(context, 'c', alice, forced))).code).toBe(code)
    expect((await errorOf(getTokenIn(context, 'c', alice, undefined))).code).toBe(code)
    expect(events.filter(({ type }) => type === 'cache_evicted')).toEqual([
      { type: 'cache_evicted', connector: 'c', entries: 1 },
    ])
    expect(await getTokenIn(context, 'c', bob, undefined)).toBe('token-of-bob')
    expect(fetch.seen).toHaveLength(4)
  })

  it.each(ending)('is not served any more after a renewal in the background got %s', async (code, status) => {
    const clock = testClock()
    const fetch = tokensThen(() => refusal(status, code, 'no'), clock.now() + hour)
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', alice, undefined)
    clock.advance(hour - 60_000)
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-of-alice')
    await settle()
    expect((await errorOf(getTokenIn(context, 'c', alice, undefined))).code).toBe(code)
  })

  it('is not served by the very call whose renewal in the foreground was refused', async () => {
    const clock = testClock()
    const fetch = tokensThen(() => refusal(403, 'forbidden', 'no'), clock.now() + hour)
    const context = testContext({ fetch, identity: 'me', now: clock.now })
    await getTokenIn(context, 'c', alice, undefined)
    clock.advance(hour - 60_000)
    vi.stubGlobal('navigator', { userAgent: 'Cloudflare-Workers' })
    expect((await errorOf(getTokenIn(context, 'c', alice, undefined))).code).toBe('forbidden')
  })

  it.each(passing)('is kept after %s, which says nothing about it', async (code, status) => {
    const fetch = tokensThen(() => refusal(status, code, 'no'))
    const context = testContext({ fetch, identity: 'me' })
    await getTokenIn(context, 'c', alice, undefined)
    // Faults are asked again until the time is up.
    await errorOf(getTokenIn(context, 'c', alice, { ...forced, timeoutMs: 50 }))
    await settle()
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-of-alice')
  })

  it('is kept where nothing answered, in time or at all, and where the caller left', async () => {
    const never = deferred<Response>()
    const fetch = tokensThen(() => never.promise)
    const context = testContext({ fetch, identity: 'me' })
    await getTokenIn(context, 'c', alice, undefined)
    const left = new AbortController()
    const aborted = errorOf(getTokenIn(context, 'c', alice, { ...forced, signal: left.signal }))
    await settle()
    left.abort()
    expect((await aborted).code).toBe('aborted')
    expect((await errorOf(getTokenIn(context, 'c', alice, { ...forced, timeoutMs: 20 }))).code).toBe(
      'timeout',
    )
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-of-alice')

    const broken = tokensThen(() => Promise.reject(new TypeError('network')))
    const other = testContext({ fetch: broken, identity: 'me' })
    await getTokenIn(other, 'c', alice, undefined)
    await errorOf(getTokenIn(other, 'c', alice, { ...forced, timeoutMs: 50 }))
    expect(await getTokenIn(other, 'c', alice, undefined)).toBe('token-of-alice')
  })

  it('does not take with it the token of a consent that came while the refusal was on its way', async () => {
    const late = deferred<Response>()
    let asked = 0
    const fetch = fakeFetch(() => {
      asked++
      return asked === 2 ? late.promise : Response.json(tokenResponse({ token: `token-${asked}` }))
    })
    const context = testContext({ fetch, identity: 'me' })
    await getTokenIn(context, 'c', alice, undefined)
    const refused = errorOf(getTokenIn(context, 'c', alice, forced))
    await settle()
    // What completing an authorization does; then the next forced call brings another token.
    forgetFlights(context.cache, undefined)
    expect(await getTokenIn(context, 'c', alice, forced)).toBe('token-3')
    late.resolve(refusal(422, 'user_authorization_required', 'no'))
    expect((await refused).code).toBe('user_authorization_required')
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-3')
  })
})
