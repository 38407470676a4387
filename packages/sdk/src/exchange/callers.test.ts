import { describe, expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { ConnectError } from '../errors/connect-error.ts'
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

describe('callers', () => {
  it('S33 two callers never share a token, however their identities come', async () => {
    const fetch = fakeFetch((request) =>
      Response.json(tokenResponse({ token: `for ${request.headers.get('authorization')}` })),
    )
    const context = testContext({ fetch, identity: 'client' })
    const ask = (options: object) => getTokenIn(context, 'c', app, options)
    for (let round = 0; round < 3; round++) {
      const tokens = await Promise.all([
        ask({}),
        ask({ identityToken: 'alice' }),
        ask({ vercelToken: 'bob' }),
        ask({ identityToken: () => 'carol' }),
        ask({ identityToken: async () => 'dave' }),
        ask({ identityToken: 'alice' }),
      ])
      expect(tokens).toEqual(
        ['client', 'alice', 'bob', 'carol', 'dave', 'alice'].map((name) => `for Bearer ${name}`),
      )
    }
    expect(fetch.seen).toHaveLength(5)
  })

  it('S33 a function whose result changes never gets the token of its earlier result', async () => {
    const fetch = fakeFetch((request) =>
      Response.json(tokenResponse({ token: `for ${request.headers.get('authorization')}` })),
    )
    let identity = 'alice'
    const context = testContext({ fetch, identity: () => identity })
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('for Bearer alice')
    identity = 'bob'
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('for Bearer bob')
    identity = 'alice'
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('for Bearer alice')
    expect(fetch.seen).toHaveLength(2)
  })

  it('S33 an identity that changes in the environment changes the caller at once', async () => {
    const fetch = fakeFetch((request) =>
      Response.json(tokenResponse({ token: `for ${request.headers.get('authorization')}` })),
    )
    const variables: Record<string, string> = {
      VALETKEY_URL: 'https://broker.example',
      VALETKEY_ID_TOKEN: 'alice',
    }
    const context = testContext({ fetch }, variables)
    for (const name of ['alice', 'bob', 'alice', 'bob']) {
      variables.VALETKEY_ID_TOKEN = name
      expect(await getTokenIn(context, 'c', app, undefined)).toBe(`for Bearer ${name}`)
    }
    expect(fetch.seen).toHaveLength(2)
    variables.VALETKEY_URL = 'https://other.example'
    await getTokenIn(context, 'c', app, undefined)
    expect(fetch.seen.at(-1)?.url).toContain('https://other.example/')
  })

  it('S33 keep apart under concurrency, retries, renewals and aborts', async () => {
    const clock = testClock()
    let faults = 0
    const fetch = fakeFetch(async (request, index) => {
      await new Promise((resolve) => setTimeout(resolve, index % 7))
      if (index % 3 === 0 && faults++ < 60) return new Response('', { status: 503 })
      const { subject } = request.body as { subject: { id: string } }
      return Response.json(
        tokenResponse({
          token: `${request.headers.get('authorization')} ${subject.id}`,
          expiresAt: clock.now() + hour,
        }),
      )
    })
    const context = testContext({ fetch, identity: 'unused', now: clock.now })
    const wrong: string[] = []
    for (let round = 0; round < 4; round++) {
      const calls: Promise<void>[] = []
      for (let caller = 0; caller < 12; caller++)
        for (let user = 0; user < 4; user++)
          for (const leaves of [false, true]) {
            const controller = new AbortController()
            const options = {
              identityToken: `w${caller}`,
              signal: controller.signal,
              forceRefresh: round === 2,
            }
            const call = getTokenIn(context, 'c', userOf(`u${user}`), options).then(
              (token) => void (token === `Bearer w${caller} u${user}` || wrong.push(token)),
              (error: unknown) => {
                if (!(leaves && error instanceof ConnectError && error.code === 'aborted')) throw error
              },
            )
            if (leaves) setTimeout(() => controller.abort(), caller % 5)
            calls.push(call)
          }
      await Promise.all(calls)
      clock.advance(hour - 60_000)
    }
    expect(wrong).toEqual([])
  })

  it("S33 one caller's abort or timeout leaves the others their exchange", async () => {
    const gate = deferred<void>()
    const fetch = fakeFetch(async () => {
      await gate.promise
      return Response.json(tokenResponse())
    })
    const context = testContext({ fetch, identity: 'me' })
    const controller = new AbortController()
    const leaving = errorOf(getTokenIn(context, 'c', app, { signal: controller.signal }))
    const impatient = errorOf(getTokenIn(context, 'c', app, { timeoutMs: 10 }))
    const staying = getTokenIn(context, 'c', app, undefined)
    await settle()
    controller.abort()
    expect((await leaving).code).toBe('aborted')
    const timedOut = await impatient
    expect([timedOut.code, timedOut.retryable, timedOut.connector]).toEqual(['timeout', true, 'c'])
    gate.resolve()
    expect(await staying).toBe('provider-token')
    expect(fetch.seen).toHaveLength(1)
    expect(fetch.seen[0]?.signal?.aborted).toBe(false)
  })

  it('cancel the exchange when the last of them has left, and the next call begins another', async () => {
    const fetch = fakeFetch((request, index) =>
      index > 0
        ? Response.json(tokenResponse())
        : new Promise((_resolve, reject) => {
            request.signal?.addEventListener('abort', () => reject(new Error('cancelled')))
          }),
    )
    const context = testContext({ fetch, identity: 'me' })
    const calls = [20, 10].map((timeoutMs) => errorOf(getTokenIn(context, 'c', app, { timeoutMs })))
    expect((await Promise.all(calls)).map((error) => error.code)).toEqual(['timeout', 'timeout'])
    expect(fetch.seen[0]?.signal?.aborted).toBe(true)
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('provider-token')
  })

  it('that have aborted before they call are told so, even if a token is cached', async () => {
    const context = testContext({ fetch: countingFetch(), identity: 'me' })
    await getTokenIn(context, 'c', app, undefined)
    const error = await errorOf(getTokenIn(context, 'c', app, { signal: AbortSignal.abort() }))
    expect([error.code, error.retryable]).toEqual(['aborted', false])
  })

  it('do not wait for an exchange that died with the request that began it', async () => {
    const fetch = fakeFetch((_request, index) =>
      index === 0 ? new Promise<Response>(() => {}) : Response.json(tokenResponse()),
    )
    const context = testContext({ fetch, identity: 'me', timeoutMs: 30 })
    const dead = errorOf(getTokenIn(context, 'c', app, { timeoutMs: 200 }))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await getTokenIn(context, 'c', app, undefined)).toBe('provider-token')
    expect((await dead).code).toBe('timeout')
  })

  it('wait for an identity function no longer than they said', async () => {
    const context = testContext({ fetch: countingFetch(), identity: () => new Promise<string>(() => {}) })
    expect((await errorOf(getTokenIn(context, 'c', app, { timeoutMs: 10 }))).code).toBe('timeout')
  })

  it('share and keep the answer that comes in place of an exchange that died', async () => {
    const fetch = fakeFetch((_request, index) =>
      index === 0
        ? new Promise<Response>(() => {})
        : Response.json(tokenResponse({ token: `token-${index}` })),
    )
    const context = testContext({ fetch, identity: 'alice', timeoutMs: 20 })
    void getTokenIn(context, 'c', app, { timeoutMs: 60_000 }).catch(() => {})
    await errorOf(getTokenIn(context, 'c', app, undefined))
    await settle()
    const ask = (): Promise<string> => getTokenIn(context, 'c', app, undefined)
    expect([await Promise.all([ask(), ask()]), await ask()]).toEqual([['token-1', 'token-1'], 'token-1'])
    expect(fetch.seen).toHaveLength(2)
  })
})
