import { describe, expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { UserAuthorizationRequiredError } from '../errors/refusals.ts'
import {
  countingFetch,
  errorOf,
  fakeFetch,
  testClock,
  testContext,
  tokenResponse,
} from '../test-support/fakes.ts'

const params = { subject: { type: 'user', id: 'ann' } } as const
const caller = { identityToken: 'identity' }

describe('a rejected token', () => {
  it('is replaced by one exchange that names it', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch })
    const first = await getTokenIn(context, 'linear/mybot', params, caller)
    const second = await getTokenIn(context, 'linear/mybot', params, { ...caller, rejectedToken: first })
    expect([first, second]).toEqual(['token-1', 'token-2'])
    expect(fetch.seen.map(({ body }) => (body as { rejectedTokenId?: string }).rejectedTokenId)).toEqual([
      undefined,
      'stk_1',
    ])
    expect(await getTokenIn(context, 'linear/mybot', params, caller)).toBe('token-2')
  })

  it('that another caller has replaced already costs no exchange', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch })
    const first = await getTokenIn(context, 'linear/mybot', params, caller)
    const report = () => getTokenIn(context, 'linear/mybot', params, { ...caller, rejectedToken: first })
    expect(await Promise.all([report(), report(), report()])).toEqual(['token-2', 'token-2', 'token-2'])
    expect(await report()).toBe('token-2')
    expect(fetch.seen).toHaveLength(2)
  })

  it('of another user, or from nowhere, evicts nothing', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch })
    const ann = await getTokenIn(context, 'linear/mybot', params, caller)
    const bob = { subject: { type: 'user', id: 'bob' } } as const
    expect(await getTokenIn(context, 'linear/mybot', bob, { ...caller, rejectedToken: ann })).toBe('token-2')
    expect(await getTokenIn(context, 'linear/mybot', params, caller)).toBe(ann)
  })

  it('that had just come in place of a rejected one asks for consent, and for no third', async () => {
    const fetch = countingFetch()
    const clock = testClock()
    const context = testContext({ fetch, now: clock.now })
    const first = await getTokenIn(context, 'linear/mybot', params, caller)
    const second = await getTokenIn(context, 'linear/mybot', params, { ...caller, rejectedToken: first })
    clock.advance(59_999)
    const error = await errorOf(
      getTokenIn(context, 'linear/mybot', params, { ...caller, rejectedToken: second }),
    )
    expect(error).toBeInstanceOf(UserAuthorizationRequiredError)
    expect(error).toMatchObject({ code: 'user_authorization_required', connector: 'linear/mybot', params })
    expect(fetch.seen).toHaveLength(2)
    clock.advance(1)
    expect(await getTokenIn(context, 'linear/mybot', params, { ...caller, rejectedToken: second })).toBe(
      'token-3',
    )
  })

  it('that the issuing point gives again, also under another id, is never handed out', async () => {
    const fetch = fakeFetch((_request, index) =>
      Response.json(tokenResponse({ token: 'the-only-one', tokenId: `stk_${index}` })),
    )
    const context = testContext({ fetch })
    const app = { subject: { type: 'app' } } as const
    const token = await getTokenIn(context, 'slack/mybot', app, caller)
    const report = () => getTokenIn(context, 'slack/mybot', app, { ...caller, rejectedToken: token })
    expect(await errorOf(report())).toMatchObject({ code: 'no_token' })
    expect(fetch.seen).toHaveLength(2)
  })

  it('that this process never had is named once the issuing point has given it again', async () => {
    const fetch = fakeFetch((_request, index) =>
      Response.json(tokenResponse({ token: index === 0 ? 'stale' : 'fresh', tokenId: `stk_${index}` })),
    )
    const context = testContext({ fetch })
    expect(await getTokenIn(context, 'linear/mybot', params, { ...caller, rejectedToken: 'stale' })).toBe(
      'fresh',
    )
    expect(fetch.seen[1]?.body).toMatchObject({ rejectedTokenId: 'stk_0' })
  })

  it('is refused as an option of anything but text', async () => {
    const context = testContext({ fetch: countingFetch() })
    const options = { ...caller, rejectedToken: 7 as never }
    expect(await errorOf(getTokenIn(context, 'linear/mybot', params, options))).toMatchObject({
      code: 'invalid_request',
    })
  })
})
