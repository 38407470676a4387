import { describe, expect, it, vi } from 'vitest'
import { refusal, statusAnswer } from '../test-support/consent.ts'
import {
  deferred,
  errorOf,
  fakeFetch,
  inAnHourSeconds,
  jwt,
  settle,
  testContext,
  tokenResponse,
} from '../test-support/fakes.ts'
import { completeAuthorizationIn } from './complete-authorization.ts'
import { getTokenIn } from './get-token.ts'

const alice = { type: 'user', id: 'alice' } as const
const params = { request: 'crq_1', verifier: 'secret-verifier', code: 'secret-code', subject: alice }
const completing = () => fakeFetch(() => Response.json(statusAnswer('active')))

describe('completing an authorization', () => {
  it('sends verifier, code and subject in the body, and nothing secret in the address', async () => {
    const fetch = completing()
    const context = testContext({ fetch, identity: 'me' })
    expect(await completeAuthorizationIn(context, Object.freeze(params), undefined)).toBeUndefined()
    expect(fetch.seen).toHaveLength(1)
    expect(fetch.seen[0]).toMatchObject({
      method: 'POST',
      url: 'https://broker.example/v1/connect/requests/crq_1/complete',
      body: { verifier: 'secret-verifier', code: 'secret-code', subject: alice },
    })
  })

  it('sends no subject for an installation, and encodes the request', async () => {
    const fetch = fakeFetch(() => Response.json({ request: 'a/b?c', status: 'active' }))
    const context = testContext({ fetch, identity: 'me' })
    await completeAuthorizationIn(context, { request: 'a/b?c', verifier: 'v', code: 'c' }, undefined)
    expect(fetch.seen[0]?.url).toBe('https://broker.example/v1/connect/requests/a%2Fb%3Fc/complete')
    expect(fetch.seen[0]?.body).toEqual({ verifier: 'v', code: 'c' })
  })

  it.each([429, 500, 502, 503, 504])('is never sent twice after %i', async (status) => {
    const fetch = fakeFetch(() =>
      Response.json({ error: { code: 'unavailable' } }, { status, headers: { 'retry-after': '0' } }),
    )
    await errorOf(completeAuthorizationIn(testContext({ fetch, identity: 'me' }), params, undefined))
    expect(fetch.seen).toHaveLength(1)
  })

  it('is never sent twice after a network error', async () => {
    const fetch = fakeFetch(() => Promise.reject(new TypeError('fetch failed secret-code')))
    const error = await errorOf(
      completeAuthorizationIn(testContext({ fetch, identity: 'me' }), params, undefined),
    )
    expect([error.code, fetch.seen.length]).toEqual(['unavailable', 1])
  })

  it('is never sent twice with another identity', async () => {
    const fetch = fakeFetch(({ url }) =>
      url.includes('actions.example')
        ? Response.json({
            value: jwt({ aud: 'https://broker.example', exp: inAnHourSeconds, jti: Math.random() }),
          })
        : refusal(401, 'identity_expired', 'expired'),
    )
    const context = testContext(
      { fetch },
      {
        VALETKEY_URL: 'https://broker.example',
        GITHUB_ACTIONS: 'true',
        ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example/token',
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
      },
    )
    const error = await errorOf(completeAuthorizationIn(context, params, undefined))
    expect(error.code).toBe('identity_expired')
    expect(fetch.seen.filter(({ url }) => url.endsWith('/complete'))).toHaveLength(1)
    // The same environment does mint another identity for a call that may be repeated.
    const token = { subject: alice }
    await errorOf(getTokenIn(context, 'c', token, undefined))
    expect(fetch.seen.filter(({ url }) => url.includes('/token/'))).toHaveLength(2)
  })

  it('surfaces a refusal with its code', async () => {
    const fetch = fakeFetch(() => refusal(403, 'forbidden', 'the code does not belong to this request'))
    const error = await errorOf(
      completeAuthorizationIn(testContext({ fetch, identity: 'me' }), params, undefined),
    )
    expect(error).toMatchObject({
      code: 'forbidden',
      status: 403,
      message: 'the code does not belong to this request',
      requestId: 'req_1',
    })
    expect('connector' in error).toBe(false)
  })

  it.each([
    ['the message', { message: 'no such code: secret-code' }, {}],
    ['the code', { code: 'secret-verifier' }, {}],
    ['the request id', { message: 'x', requestId: 'a secret-verifier b' }, {}],
    ['what the provider said', { message: 'x', vendor: { deep: [{ code: 'secret-code' }] } }, {}],
    ['a header', { message: 'x' }, { 'x-request-id': 'secret-code' }],
    ['the subject’s token', { message: 'secret-token' }, {}],
  ])('never repeats a secret that is played back in %s', async (_where, error, headers) => {
    const fetch = fakeFetch(() => Response.json({ error }, { status: 403, headers }))
    const subject = { type: 'token', token: 'secret-token' } as const
    const caught = await errorOf(
      completeAuthorizationIn(testContext({ fetch, identity: 'me' }), { ...params, subject }, undefined),
    )
    expect([caught.code, caught.status]).toEqual(['forbidden', 403])
    const everything = JSON.stringify([
      caught.message,
      caught.stack,
      caught.cause,
      caught.requestId,
      caught.vendor,
      caught,
    ])
    expect(everything).not.toContain('secret-')
  })

  it('is followed by a getToken that asks anew, not by a refusal from before', async () => {
    const early = deferred<Response>()
    let exchanges = 0
    const fetch = fakeFetch(({ url }) => {
      if (!url.includes('/token/')) return Response.json(statusAnswer('active'))
      return ++exchanges === 1 ? early.promise : Response.json(tokenResponse())
    })
    const context = testContext({ fetch, identity: 'me' })
    const before = errorOf(getTokenIn(context, 'c', { subject: alice }, undefined))
    await vi.waitFor(() => expect(exchanges).toBe(1))
    await completeAuthorizationIn(context, params, undefined)
    const after = getTokenIn(context, 'c', { subject: alice }, undefined)
    await settle()
    early.resolve(refusal(422, 'user_authorization_required', 'consent first'))
    expect((await before).code).toBe('user_authorization_required')
    expect(await after).toBe('provider-token')
    expect(await getTokenIn(context, 'c', { subject: alice }, undefined)).toBe('provider-token')
    expect(exchanges).toBe(2)
  })

  it('leaves other subjects’ exchanges shared and their tokens cached', async () => {
    const slow = deferred<Response>()
    let exchanges = 0
    const fetch = fakeFetch(({ url }) => {
      if (!url.includes('/token/')) return Response.json(statusAnswer('active'))
      exchanges++
      return slow.promise.then((response) => response.clone())
    })
    const context = testContext({ fetch, identity: 'me' })
    const bob = { subject: { type: 'user', id: 'bob' } } as const
    const first = getTokenIn(context, 'c', bob, undefined)
    await vi.waitFor(() => expect(exchanges).toBe(1))
    await completeAuthorizationIn(context, params, undefined)
    const second = getTokenIn(context, 'c', bob, undefined)
    slow.resolve(Response.json(tokenResponse()))
    expect(await Promise.all([first, second])).toEqual(['provider-token', 'provider-token'])
    await getTokenIn(context, 'c', bob, undefined)
    expect(exchanges).toBe(1)
  })

  it('is not sent to Vercel Connect, nor to an issuing point that has no such call', async () => {
    const fetch = completing()
    const call = { vercelToken: jwt({ aud: 'https://vercel.com/acme' }) }
    const vercel = testContext({ fetch, url: 'https://api.vercel.com' })
    const issuingPoint = { id: 'x', audience: 'x', issueToken: () => Promise.resolve({}) }
    for (const promise of [
      completeAuthorizationIn(vercel, params, call),
      completeAuthorizationIn(testContext({ issuingPoint, identity: 'me' }), params, undefined),
    ])
      expect((await errorOf(promise)).code).toBe('invalid_request')
    expect(fetch.seen).toHaveLength(0)
  })

  it.each([
    ['no request', { ...params, request: undefined }, 'request'],
    ['a request that leaves the route', { ...params, request: '..' }, 'request'],
    ['a request that cannot be encoded', { ...params, request: '\ud800' }, 'request'],
    ['no verifier', { ...params, verifier: '' }, 'verifier'],
    ['no code', { ...params, code: 1 }, 'code'],
    ['a malformed subject', { ...params, subject: { type: 'user' } }, 'subject.id'],
    ['an unknown key', { ...params, url: 'secret-value' }, '"url"'],
  ])('is refused for %s, before anything is sent', async (_what, given, name) => {
    const fetch = completing()
    const error = await errorOf(
      completeAuthorizationIn(testContext({ fetch, identity: 'me' }), given as never, undefined),
    )
    expect([error.code, fetch.seen.length]).toEqual(['invalid_request', 0])
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('secret-')
  })
})
