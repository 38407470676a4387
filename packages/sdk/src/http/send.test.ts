import { describe, expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { errorOf, fakeFetch, testContext, tokenResponse } from '../test-support/fakes.ts'
import { pauseBefore } from './send.ts'

const app = { subject: { type: 'app' } } as const

describe('the pause before another attempt', () => {
  const now = Date.parse('2026-11-21T00:00:00Z')

  it('doubles and is jittered', () => {
    expect([1, 2, 3].map((attempt) => pauseBefore(attempt, null, now, 1))).toEqual([100, 200, 400])
    expect([1, 2, 3].map((attempt) => pauseBefore(attempt, null, now, 0))).toEqual([50, 100, 200])
  })

  it('honours Retry-After in seconds and as a date, and is never shorter than asked', () => {
    expect(pauseBefore(1, '2', now, 0)).toBe(2000)
    expect(pauseBefore(1, ' 2 ', now, 1)).toBe(2100)
    expect(pauseBefore(1, 'Sat, 21 Nov 2026 00:00:03 GMT', now, 0)).toBe(3000)
    expect(pauseBefore(1, '0', now, 1)).toBe(100)
    expect(pauseBefore(1, 'Sat, 21 Nov 2020 00:00:00 GMT', now, 1)).toBe(100)
    expect(pauseBefore(1, 'soon', now, 1)).toBe(100)
  })
})

describe('a fault', () => {
  it.each([429, 502, 503, 504])('of status %i is tried again', async (status) => {
    const fetch = fakeFetch((_request, index) =>
      index < 2 ? new Response('', { status }) : Response.json(tokenResponse()),
    )
    expect(await getTokenIn(testContext({ fetch, identity: 'me' }), 'c', app, undefined)).toBe(
      'provider-token',
    )
    expect(fetch.seen).toHaveLength(3)
  })

  it('of the network is tried again, and is unavailable in the end, without its cause', async () => {
    const fetch = fakeFetch(() => {
      throw Object.assign(new TypeError('fetch failed: Bearer secret'), { cause: { code: 'ECONNREFUSED' } })
    })
    const error = await errorOf(getTokenIn(testContext({ fetch, identity: 'me' }), 'c', app, undefined))
    expect(error).toMatchObject({ code: 'unavailable', retryable: true, connector: 'c' })
    expect(error.message).toBe('No answer from broker.example (ECONNREFUSED)')
    expect(error.cause).toBeUndefined()
    expect(fetch.seen).toHaveLength(5)
  })

  it('that outlasts every attempt surfaces as it last was', async () => {
    const fetch = fakeFetch((_request, index) =>
      Response.json(
        { error: { code: 'provider_error', message: `fault ${index}`, requestId: 'r' } },
        { status: 502 },
      ),
    )
    const error = await errorOf(getTokenIn(testContext({ fetch, identity: 'me' }), 'c', app, undefined))
    expect(error).toMatchObject({ code: 'provider_error', status: 502, message: 'fault 4', retryable: true })
  })

  it('whose pause would outlast the caller surfaces at once', async () => {
    const fetch = fakeFetch(() => new Response('', { status: 429, headers: { 'retry-after': '30' } }))
    const started = performance.now()
    const error = await errorOf(getTokenIn(testContext({ fetch, identity: 'me' }), 'c', app, undefined))
    expect(error).toMatchObject({ code: 'rate_limited', status: 429, retryable: true })
    expect(performance.now() - started).toBeLessThan(1000)
    expect(fetch.seen).toHaveLength(1)
  })

  it('with Retry-After is tried again no sooner than asked', async () => {
    const at: number[] = []
    const fetch = fakeFetch((_request, index) => {
      at.push(performance.now())
      return index === 0
        ? new Response('', { status: 429, headers: { 'retry-after': '1' } })
        : Response.json(tokenResponse())
    })
    await getTokenIn(testContext({ fetch, identity: 'me' }), 'c', app, undefined)
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(995)
  })

  it.each([400, 401, 403, 404, 409, 413, 422, 500])(
    'of status %i is a refusal and is not tried again',
    async (status) => {
      const fetch = fakeFetch(() => new Response('', { status }))
      const error = await errorOf(getTokenIn(testContext({ fetch, identity: 'me' }), 'c', app, undefined))
      expect(error.status).toBe(status)
      expect(fetch.seen).toHaveLength(1)
    },
  )
})
