import { describe, expect, it } from 'vitest'
import { testIssuingPoint } from './test-issuing-point.ts'
import { call, errorOf, modelView, readMe, toolOf } from './test-tool.ts'

describe('connectTool', () => {
  it('gives execute a fetch with the token, bound to the params and the tool call', async () => {
    const { client, asked } = testIssuingPoint()
    const tool = toolOf(client, (_input, given) => readMe(given))
    expect(await call(tool, 'ann', { toolCallId: 'call-7' })).toEqual({ as: 'Bearer token-of-ann' })
    expect(asked.map(({ body }) => body)).toMatchObject([
      { subject: { type: 'user', id: 'ann' }, scopes: ['read'], context: { toolCallId: 'call-7' } },
    ])
  })

  it('gives execute a token getter, which can report a rejected token', async () => {
    let tokens = 0
    const { client, asked } = testIssuingPoint({
      refuse: ({ body }) =>
        Response.json({
          token: `token-${++tokens}`,
          tokenId: `stk_${tokens}`,
          expiresAt: Date.now() + 3_600_000,
          connector: { id: 'scl_1', uid: 'github/mybot', type: body.subject.type },
        }),
    })
    let got: string[] = []
    const tool = toolOf(client, async (_input, { getToken, getTokenResponse }) => {
      const rejectedToken = await getToken()
      got = [rejectedToken, await getToken({ rejectedToken }), (await getTokenResponse()).token]
    })
    await call(tool)
    expect(got).toEqual(['token-1', 'token-2', 'token-2'])
    expect(asked.map(({ body }) => body)).toMatchObject([
      { context: { toolCallId: 'call-1' } },
      { rejectedTokenId: 'stk_1', context: { toolCallId: 'call-1' } },
    ])
  })

  it('asks for nothing, nor makes the params, when execute asks for nothing', async () => {
    const { client, asked } = testIssuingPoint()
    let made = 0
    const params = () => {
      made += 1
      return { subject: { type: 'app' } } as const
    }
    expect(await call(toolOf(client, ({ say }) => say, { params }))).toBe('hello')
    expect([asked.length, made]).toEqual([0, 0])
  })

  it('makes the params once a call, from the context and never from the input', async () => {
    const { client } = testIssuingPoint()
    const seen: unknown[][] = []
    const params = (...given: unknown[]) => {
      seen.push(given)
      return { subject: { type: 'app' } } as const
    }
    const tool = toolOf(
      client,
      async (_input, given) => {
        await Promise.all([readMe(given), readMe(given), given.getToken()])
      },
      { params },
    )
    await call(tool)
    expect(seen).toEqual([[{ userId: 'ann' }]])
  })

  it('keeps calls apart that run side by side', async () => {
    const { client } = testIssuingPoint()
    const tool = toolOf(client, async (_input, given) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      return readMe(given)
    })
    const users = Array.from({ length: 20 }, (_, index) => `user-${index}`)
    const results = await Promise.all(users.map((user) => call(tool, user)))
    expect(results).toEqual(users.map((user) => ({ as: `Bearer token-of-${user}` })))
  })

  it('passes its own signal and that of a request to both the exchange and the request', async () => {
    const { client, requests } = testIssuingPoint({
      answer: (request) =>
        new Promise((_, reject) =>
          request.signal.addEventListener('abort', () => reject(request.signal.reason)),
        ),
    })
    for (const which of ['call', 'request'] as const) {
      const controller = new AbortController()
      const own = which === 'request' ? { signal: controller.signal } : {}
      const tool = toolOf(client, (_input, { fetch }) => fetch('https://api.example/slow', own))
      const running = call(tool, 'ann', which === 'call' ? { abortSignal: controller.signal } : {})
      const failed = errorOf(running)
      await expect.poll(() => requests.length).toBe(which === 'call' ? 1 : 2)
      controller.abort()
      expect((await failed).name).toBe('AbortError')
    }
    const aborted = toolOf(client, (_input, given) => readMe(given))
    const error = await errorOf(call(aborted, 'bob', { abortSignal: AbortSignal.abort() }))
    expect(error).toMatchObject({ code: 'aborted' })
  })

  it('ends an exchange that hangs when the call is aborted', async () => {
    const controller = new AbortController()
    let ended = false
    const { client, asked } = testIssuingPoint({
      refuse: (_asked, signal) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            ended = true
            reject(signal.reason)
          }),
        ),
    })
    const tool = toolOf(client, (_input, given) => readMe(given))
    const failed = errorOf(call(tool, 'ann', { abortSignal: controller.signal }))
    await expect.poll(() => asked.length).toBe(1)
    controller.abort()
    expect(await failed).toMatchObject({ code: 'aborted' })
    await expect.poll(() => ended).toBe(true)
  })
})

describe('the model’s view of an output', () => {
  it('is what the framework makes of it, or the tool’s own', async () => {
    const { client } = testIssuingPoint()
    const plain = toolOf(client, () => '')
    expect(modelView(plain, 'text')).toEqual({ type: 'text', value: 'text' })
    expect(modelView(plain, { when: new Date(0), no: undefined })).toEqual({
      type: 'json',
      value: { when: '1970-01-01T00:00:00.000Z' },
    })
    expect(modelView(plain, undefined)).toEqual({ type: 'json', value: null })
    const own = toolOf(client, () => '', {
      toModelOutput: ({ output }) => ({ type: 'text', value: `<${output}>` }),
    })
    expect(modelView(own, 'text')).toEqual({ type: 'text', value: '<text>' })
  })
})
