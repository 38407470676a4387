import { describe, expect, it, vi } from 'vitest'
import { UserAuthorizationRequiredError } from '../errors/refusals.ts'
import { refusal, statusAnswer } from '../test-support/consent.ts'
import {
  deferred,
  errorOf,
  fakeFetch,
  jwt,
  settle,
  testContext,
  tokenResponse,
} from '../test-support/fakes.ts'
import { getTokenIn } from './get-token.ts'
import { waitForAuthorizationIn } from './wait-for-authorization.ts'

const params = { request: 'crq_1', verifier: 'secret-verifier' }
const often = { intervalMs: 1 }

/** Answers one status after the other, the last one again and again. */
function answering(...answers: (() => Response | Promise<Response>)[]): ReturnType<typeof fakeFetch> {
  return fakeFetch((_request, index) => (answers[index] ?? answers.at(-1) ?? Response.error)())
}

const status = (...given: Parameters<typeof statusAnswer>) => {
  return (): Response => Response.json(statusAnswer(...given))
}

describe('waiting for an authorization', () => {
  it('polls with the verifier in the body until it is active, and tells every change', async () => {
    const fetch = answering(
      status('pending'),
      status('pending'),
      status('consented'),
      status('consented'),
      status('active'),
    )
    const told: string[] = []
    const context = testContext({ fetch, identity: 'me' })
    const result = await waitForAuthorizationIn(context, Object.freeze({ ...params }), {
      ...often,
      onStatus: (news) => told.push(news.status),
    })
    expect(result).toEqual({ request: 'crq_1', status: 'active' })
    expect(told).toEqual(['pending', 'consented', 'active'])
    expect(fetch.seen).toHaveLength(5)
    for (const request of fetch.seen)
      expect(request).toMatchObject({
        method: 'POST',
        url: 'https://broker.example/v1/connect/requests/crq_1/status',
        body: { verifier: 'secret-verifier' },
      })
  })

  it('S01 never takes consent for success', async () => {
    const fetch = answering(status('consented'))
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(waitForAuthorizationIn(context, params, { ...often, timeoutMs: 60 }))
    expect([error.code, error.message]).toEqual(['timeout', 'The authorization was not decided within 60 ms'])
    expect(fetch.seen.length).toBeGreaterThan(2)
  })

  it.each([
    ['denied', 'The authorization was denied: not today'],
    ['expired', 'The authorization expired before it was completed: not today'],
  ] as const)('says that the user has to consent when it was %s', async (final, message) => {
    const fetch = answering(status('pending'), status(final, { code: 'access_denied', message: 'not today' }))
    const error = await errorOf(waitForAuthorizationIn(testContext({ fetch, identity: 'me' }), params, often))
    expect(error).toBeInstanceOf(UserAuthorizationRequiredError)
    expect(error).toMatchObject({ code: 'user_authorization_required', retryable: false, message })
    expect(fetch.seen).toHaveLength(2)
  })

  it.each([
    [{ code: 'provider_error', message: 'x' }, 'provider_error'],
    [{ code: 'timeout', message: 'x' }, 'provider_refused'],
    [{ code: 'invalid_scope', message: 'x' }, 'provider_refused'],
    [undefined, 'provider_refused'],
  ])('ends with a code of the closed list for the failure %j', async (failure, code) => {
    const fetch = answering(status('error', failure))
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(waitForAuthorizationIn(context, params, often))
    expect(error).toMatchObject({ code, retryable: false })
    expect(fetch.seen).toHaveLength(1)
  })

  it('polls through faults that pass', async () => {
    const fetch = answering(
      () => Promise.reject(new TypeError('fetch failed')),
      () => refusal(503, 'unavailable', 'restarting'),
      () => refusal(429, 'rate_limited', 'slower'),
      () => refusal(502, 'provider_error', 'x'),
      status('active'),
    )
    const context = testContext({ fetch, identity: 'me' })
    expect((await waitForAuthorizationIn(context, params, often)).status).toBe('active')
    expect(fetch.seen).toHaveLength(5)
  })

  it('gives up after ten faults in a row, and counts anew after an answer', async () => {
    const down = (): Response => refusal(503, 'unavailable', 'down')
    const nine = Array.from({ length: 9 }, () => down)
    const fetch = answering(...nine, status('pending'), down)
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(waitForAuthorizationIn(context, params, often))
    expect([error.code, fetch.seen.length]).toEqual(['unavailable', 20])
  })

  it('leaves a poll that is not answered within the client’s time, and polls again', async () => {
    const fetch = answering(() => new Promise<Response>(() => {}), status('active'))
    const context = testContext({ fetch, identity: 'me', timeoutMs: 20 })
    expect((await waitForAuthorizationIn(context, params, often)).status).toBe('active')
    expect(fetch.seen[0]?.signal?.aborted).toBe(true)
  })

  it('stops at a refusal', async () => {
    const fetch = answering(() => refusal(404, 'not_found', 'no such request'))
    const error = await errorOf(waitForAuthorizationIn(testContext({ fetch, identity: 'me' }), params, often))
    expect([error.code, fetch.seen.length, 'connector' in error]).toEqual(['not_found', 1, false])
  })

  it('waits as long as Retry-After asks', async () => {
    const fetch = answering(
      () => Response.json(statusAnswer('pending'), { headers: { 'retry-after': '1' } }),
      status('active'),
    )
    const startedAtMs = performance.now()
    await waitForAuthorizationIn(testContext({ fetch, identity: 'me' }), params, often)
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(990)
  })

  it('ends at once when it is aborted between polls, and polls no more', async () => {
    const fetch = answering(status('pending'))
    const controller = new AbortController()
    const context = testContext({ fetch, identity: 'me' })
    const options = { signal: controller.signal, onStatus: () => setTimeout(() => controller.abort(), 5) }
    const startedAtMs = performance.now()
    const error = await errorOf(waitForAuthorizationIn(context, params, options))
    expect(error.code).toBe('aborted')
    expect(performance.now() - startedAtMs).toBeLessThan(1000)
    await settle()
    expect(fetch.seen).toHaveLength(1)
  })

  it('ends at once when it is aborted during a poll, and aborts that', async () => {
    const fetch = answering(() => new Promise<Response>(() => {}))
    const controller = new AbortController()
    const context = testContext({ fetch, identity: 'me' })
    const waiting = errorOf(waitForAuthorizationIn(context, params, { signal: controller.signal }))
    await vi.waitFor(() => expect(fetch.seen).toHaveLength(1))
    controller.abort()
    expect((await waiting).code).toBe('aborted')
    expect(fetch.seen[0]?.signal?.aborted).toBe(true)
  })

  it('sends nothing when it was aborted before', async () => {
    const fetch = answering(status('active'))
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(waitForAuthorizationIn(context, params, { signal: AbortSignal.abort() }))
    expect([error.code, fetch.seen.length]).toEqual(['aborted', 0])
  })

  it('is not disturbed by a hook that throws', async () => {
    const onStatus = (): never => {
      throw new Error('theirs')
    }
    const context = testContext({ fetch: answering(status('active')), identity: 'me' })
    expect((await waitForAuthorizationIn(context, params, { onStatus })).status).toBe('active')
  })

  it('is followed by a getToken that asks anew', async () => {
    const early = deferred<Response>()
    let exchanges = 0
    const fetch = fakeFetch(({ url }) => {
      if (!url.includes('/token/')) return Response.json(statusAnswer('active'))
      return ++exchanges === 1 ? early.promise : Response.json(tokenResponse())
    })
    const context = testContext({ fetch, identity: 'me' })
    const token = { subject: { type: 'user', id: 'alice' } } as const
    const before = errorOf(getTokenIn(context, 'c', token, undefined))
    await vi.waitFor(() => expect(exchanges).toBe(1))
    await waitForAuthorizationIn(context, params, undefined)
    expect(await getTokenIn(context, 'c', token, undefined)).toBe('provider-token')
    early.resolve(refusal(422, 'user_authorization_required', 'consent first'))
    await before
  })

  it.each([
    ['a refusal', () => refusal(403, 'forbidden', 'not secret-verifier')],
    ['its status', status('denied', { code: 'x', message: 'was secret-verifier' })],
  ])('never repeats a verifier that is played back in %s', async (_where, answer) => {
    const context = testContext({ fetch: answering(answer), identity: 'me' })
    const error = await errorOf(waitForAuthorizationIn(context, params, often))
    expect(`${error.message} ${error.stack}`).not.toContain('secret-verifier')
  })

  it('does not show the verifier to Vercel Connect, which has no such call', async () => {
    const fetch = answering(status('active'))
    const context = testContext({ fetch, url: 'https://api.vercel.com' })
    const vercelToken = jwt({ aud: 'https://vercel.com/acme' })
    const error = await errorOf(waitForAuthorizationIn(context, params, { vercelToken }))
    expect([error.code, fetch.seen.length]).toEqual(['invalid_request', 0])
  })

  it.each([
    ['an unknown option', params, { interval: 1 }, '"interval"'],
    ['an interval of zero', params, { intervalMs: 0 }, 'intervalMs'],
    ['a hook that is none', params, { onStatus: 1 }, 'onStatus'],
    ['an unknown param', { ...params, code: 'secret-value' }, {}, '"code"'],
    ['no verifier', { request: 'crq_1' }, {}, 'verifier'],
  ])('is refused for %s, before anything is sent', async (_what, given, options, name) => {
    const fetch = answering(status('active'))
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(waitForAuthorizationIn(context, given as never, options as never))
    expect([error.code, fetch.seen.length]).toEqual(['invalid_request', 0])
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('secret-')
  })
})
