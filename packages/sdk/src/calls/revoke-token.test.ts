import { describe, expect, it } from 'vitest'
import { deferred, errorOf, fakeFetch, settle, testContext, tokenResponse } from '../test-support/fakes.ts'
import { deleteTokenCacheEntryIn } from './delete-token-cache-entry.ts'
import { getTokenIn } from './get-token.ts'
import { revokeTokenIn } from './revoke-token.ts'

const alice = { subject: { type: 'user', id: 'alice' } } as const
const bob = { subject: { type: 'user', id: 'bob' } } as const

function issuingPoint(revoke: () => Promise<Response> | Response = () => Response.json({ deleted: 1 })) {
  let serial = 0
  return fakeFetch((request) =>
    request.method === 'DELETE' ? revoke() : Response.json(tokenResponse({ token: `token-${++serial}` })),
  )
}

const exchanges = (fetch: ReturnType<typeof issuingPoint>): number =>
  fetch.seen.filter((request) => request.method === 'POST').length

describe('revoking one grant', () => {
  it('leaves every other cached token where it is', async () => {
    const fetch = issuingPoint()
    const context = testContext({ fetch, identity: 'me' })
    const others = [
      () => getTokenIn(context, 'c', bob, undefined),
      () => getTokenIn(context, 'd', alice, { identityToken: 'me' }),
      () => getTokenIn(context, 'c', { subject: { type: 'app' } }, undefined),
      () => getTokenIn(context, 'c', { subject: { type: 'token', token: 'alice' } }, undefined),
      () => getTokenIn(context, 'c', { subject: { ...alice.subject, issuer: 'i' } }, undefined),
      () => getTokenIn(context, 'c', alice, { identityToken: 'someone-else' }),
    ]
    const mine = [alice, { ...alice, scopes: ['a'] }, { ...alice, installationId: '1' }]
    const before = await Promise.all(others.map((ask) => ask()))
    for (const params of mine) await getTokenIn(context, 'c', params, undefined)
    const made = exchanges(fetch)
    await revokeTokenIn(context, 'c', alice, undefined)
    expect(await Promise.all(others.map((ask) => ask()))).toEqual(before)
    expect(exchanges(fetch)).toBe(made)
    for (const params of mine) await getTokenIn(context, 'c', params, undefined)
    expect(exchanges(fetch)).toBe(made + mine.length)
  })

  it('is sent as DELETE with a body, and only one installation is forgotten if one is named', async () => {
    const fetch = issuingPoint()
    const context = testContext({ fetch, identity: 'me' })
    await getTokenIn(context, 'slack/mybot', { ...alice, installationId: '1' }, undefined)
    await getTokenIn(context, 'slack/mybot', { ...alice, installationId: '2' }, undefined)
    await revokeTokenIn(context, 'slack/mybot', { ...alice, installationId: '1' }, undefined)
    expect(fetch.seen.at(-1)).toMatchObject({
      method: 'DELETE',
      url: 'https://broker.example/v1/connect/connectors/slack%2Fmybot/tokens',
      body: { ...alice, installationId: '1' },
    })
    await getTokenIn(context, 'slack/mybot', { ...alice, installationId: '2' }, undefined)
    expect(exchanges(fetch)).toBe(2)
    await getTokenIn(context, 'slack/mybot', { ...alice, installationId: '1' }, undefined)
    expect(exchanges(fetch)).toBe(3)
  })

  it('reaches tokens cached under the connector’s other name', async () => {
    const fetch = issuingPoint()
    const context = testContext({ fetch, identity: 'me' })
    await getTokenIn(context, 'slack/mybot', alice, undefined)
    await revokeTokenIn(context, 'scl_1', alice, undefined)
    await getTokenIn(context, 'slack/mybot', alice, undefined)
    expect(exchanges(fetch)).toBe(2)
  })

  it('forgets before it asks, whatever the answer, and lets no exchange of the meantime bring the token back', async () => {
    const gate = deferred<Response>()
    const fetch = issuingPoint(() => gate.promise)
    const context = testContext({ fetch, identity: 'me' })
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-1')
    const revoking = errorOf(revokeTokenIn(context, 'c', alice, undefined))
    await settle()
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-2')
    gate.resolve(Response.json({ error: { code: 'forbidden' } }, { status: 403 }))
    expect((await revoking).code).toBe('forbidden')
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-3')
  })

  it('keeps an exchange that was under way out of the cache', async () => {
    const gate = deferred<void>()
    let serial = 0
    const fetch = fakeFetch(async (request) => {
      if (request.method === 'DELETE') return new Response(null, { status: 204 })
      const token = `token-${++serial}`
      if (serial === 1) await gate.promise
      return Response.json(tokenResponse({ token }))
    })
    const context = testContext({ fetch, identity: 'me' })
    const before = getTokenIn(context, 'c', alice, undefined)
    await settle()
    await getTokenIn(context, 'c', bob, undefined)
    await revokeTokenIn(context, 'c', alice, undefined)
    gate.resolve()
    expect(await before).toBe('token-1')
    expect(await getTokenIn(context, 'c', alice, undefined)).toBe('token-3')
  })

  it('is refused without a subject and with unknown keys', async () => {
    const context = testContext({ fetch: issuingPoint(), identity: 'me' })
    for (const params of [{}, { ...alice, scopes: ['a'] }, undefined, { subject: null }])
      expect((await errorOf(revokeTokenIn(context, 'c', params as never, undefined))).code).toBe(
        'invalid_request',
      )
  })

  it('works with an identity function and respects the time', async () => {
    const context = testContext({
      fetch: issuingPoint(() => new Promise(() => {})),
      identity: async () => 'me',
    })
    expect((await errorOf(revokeTokenIn(context, 'c', alice, { timeoutMs: 20 }))).code).toBe('timeout')
    const aborted = await errorOf(revokeTokenIn(context, 'c', alice, { signal: AbortSignal.abort() }))
    expect(aborted.code).toBe('aborted')
  })
})

describe('deleteTokenCacheEntry', () => {
  it('forgets one caller’s token with an identity, and every caller’s without', async () => {
    const fetch = issuingPoint()
    const context = testContext({ fetch, identity: 'me' })
    const ask = (identityToken: string) => getTokenIn(context, 'c', alice, { identityToken })
    await ask('a')
    await ask('b')
    deleteTokenCacheEntryIn(context, 'c', alice, { identityToken: 'a' })
    await ask('a')
    await ask('b')
    expect(exchanges(fetch)).toBe(3)
    deleteTokenCacheEntryIn(
      context,
      'c',
      { subject: { id: 'alice', type: 'user' }, scopes: ['*'] },
      undefined,
    )
    await ask('a')
    await ask('b')
    expect(exchanges(fetch)).toBe(5)
    deleteTokenCacheEntryIn(context, 'never asked', alice, undefined)
    expect(() => deleteTokenCacheEntryIn(context, 'c', { ...alice, scopes: [] }, undefined)).toThrow('scopes')
  })
})
