import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { ClientConfig } from '../client/create-context.ts'
import { countingFetch, deferred, errorOf, testContext } from '../test-support/fakes.ts'
import { type CreateFetchOptions, createFetchIn } from './create-fetch.ts'

/** One request as an API saw it. */
interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

type Answering = (seen: Seen, response: ServerResponse) => void

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A real HTTP server on loopback that remembers what reached it. */
async function startApi(answer: Answering): Promise<{ origin: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
    seen.push(one)
    answer(one, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const user = { subject: { type: 'user', id: 'ann' } } as const

/** A fetch for a connector whose tokens may go to `origins`; the issuing point gives another token each time. */
function fetchFor(
  origins: readonly string[] | undefined,
  options: CreateFetchOptions = {},
  config: ClientConfig = {},
) {
  const broker = countingFetch(() => (origins === undefined ? {} : { origins }))
  const fetch: typeof globalThis.fetch = (input, init) =>
    String(input).startsWith('https://broker.example') ? broker(input, init) : globalThis.fetch(input, init)
  const context = testContext({ fetch, identity: 'me', ...config })
  return { fetch: createFetchIn(context, 'linear/mybot', user, options), exchanges: broker.seen }
}

const accepts =
  (token: string): Answering =>
  ({ headers }, response) =>
    response.writeHead(headers.authorization === `Bearer ${token}` ? 200 : 401).end('answer')

describe('createFetch', () => {
  it('adds the token to requests to the origins that came with it', async () => {
    const api = await startApi(accepts('token-1'))
    const { fetch, exchanges } = fetchFor([api.origin])
    const responses = [await fetch(`${api.origin}/a`), await fetch(new URL('/b', api.origin))]
    expect(responses.map(({ status }) => status)).toEqual([200, 200])
    expect(exchanges).toHaveLength(1)
  })

  it('S34 sends a request to another origin without the token', async () => {
    const [api, other] = [await startApi(accepts('token-1')), await startApi((_, response) => response.end())]
    const { fetch } = fetchFor([api.origin])
    expect((await fetch(other.origin)).status).toBe(200)
    expect(other.seen[0]?.headers.authorization).toBeUndefined()
  })

  it('S34 sends nothing at all where nobody says where the token may go', async () => {
    const api = await startApi(accepts('token-1'))
    const { fetch } = fetchFor(undefined)
    expect(await errorOf(fetch(api.origin))).toMatchObject({ code: 'invalid_request' })
    expect(api.seen).toEqual([])
    const allowed = fetchFor(undefined, { allowOrigins: [api.origin] })
    expect((await allowed.fetch(api.origin)).status).toBe(200)
  })

  it('S34 compares origins whole: another port, scheme or longer host is another origin', async () => {
    const api = await startApi(accepts('token-1'))
    const { port } = new URL(api.origin)
    for (const origins of [
      [`http://127.0.0.1:${port}1`],
      [`https://127.0.0.1:${port}`],
      ['http://127.0.0.1'],
      [],
    ]) {
      const { fetch } = fetchFor(origins)
      expect((await fetch(api.origin)).status).toBe(401)
    }
    expect(api.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true)
  })

  it('S34 drops token and cookies on a redirect elsewhere, and does not take them up again', async () => {
    const home = await startApi(({ path }, response) =>
      path === '/back'
        ? response.end('back')
        : response.writeHead(302, { location: `${other.origin}/there` }).end(),
    )
    const other = await startApi((_, response) =>
      response.writeHead(307, { location: `${home.origin}/back` }).end(),
    )
    const { fetch, exchanges } = fetchFor([home.origin])
    const response = await fetch(`${home.origin}/start`, { headers: { cookie: 'sid=1' } })
    expect(await response.text()).toBe('back')
    expect(home.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1', undefined])
    expect(other.seen[0]?.headers).not.toHaveProperty('authorization')
    expect(other.seen[0]?.headers).not.toHaveProperty('cookie')
    expect(exchanges).toHaveLength(1)
  })

  it('keeps the token on redirects between the origins of the connector', async () => {
    const uploads = await startApi(accepts('token-1'))
    const api = await startApi((_, response) =>
      response.writeHead(308, { location: `${uploads.origin}/up` }).end(),
    )
    const { fetch } = fetchFor([api.origin], { allowOrigins: [uploads.origin] })
    const response = await fetch(`${api.origin}/start`, { method: 'POST', body: 'text' })
    expect(response.status).toBe(200)
    expect(uploads.seen[0]).toMatchObject({ method: 'POST', body: 'text' })
  })

  it('turns a POST into a GET without its body on 301, 302 and 303, and honours `redirect`', async () => {
    const api = await startApi(({ path }, response) =>
      path === '/end'
        ? response.end()
        : response.writeHead(Number(path.slice(1)), { location: '/end' }).end(),
    )
    const { fetch } = fetchFor([api.origin])
    const init = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } } as const
    for (const status of [301, 302, 303]) {
      await fetch(`${api.origin}/${status}`, init)
      expect(api.seen.at(-1)).toMatchObject({ method: 'GET', path: '/end', body: '' })
      expect(api.seen.at(-1)?.headers).not.toHaveProperty('content-type')
    }
    expect((await fetch(`${api.origin}/302`, { redirect: 'manual' })).status).toBe(302)
    await expect(fetch(`${api.origin}/302`, { redirect: 'error' })).rejects.toThrow(TypeError)
  })

  it('ends a chain of redirects that does not end, and one to what is no web address', async () => {
    const loop = await startApi((_, response) => response.writeHead(302, { location: '/' }).end())
    await expect(fetchFor([loop.origin]).fetch(loop.origin)).rejects.toThrow('More than 20 redirects')
    expect(loop.seen).toHaveLength(21)
    const odd = await startApi((_, response) =>
      response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    )
    await expect(fetchFor([odd.origin]).fetch(odd.origin)).rejects.toThrow('no web address')
  })

  it('renews once after a 401, names the rejected token, and sends the body again', async () => {
    const api = await startApi(accepts('token-2'))
    const { fetch, exchanges } = fetchFor([api.origin])
    const form = new FormData()
    form.set('field', 'value')
    const bodies = [
      '{"query":"{ viewer { id } }"}',
      new URLSearchParams({ a: 'b' }),
      form,
      new Blob(['blob']),
      new Uint8Array([65]),
    ]
    for (const [index, body] of bodies.entries()) {
      const one = index === 0 ? fetch : fetchFor([api.origin]).fetch
      expect((await one(api.origin, { method: 'POST', body })).status).toBe(200)
      const [before, after] = api.seen.slice(-2)
      expect(after?.body.length).toBe(before?.body.length)
      expect(before?.body).not.toBe('')
    }
    expect(exchanges[1]?.body).toMatchObject({ rejectedTokenId: 'stk_1' })
    expect((await fetch(api.origin)).status).toBe(200)
    expect(exchanges).toHaveLength(2)
  })

  it('takes a Request as it is, its length included, and sends it again', async () => {
    const api = await startApi(accepts('token-2'))
    const { fetch } = fetchFor([api.origin])
    const request = new Request(`${api.origin}/graphql`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', 'x-own': '1' },
      body: '{"query":"{ viewer { id } }"}',
    })
    expect((await fetch(request)).status).toBe(200)
    for (const seen of api.seen)
      expect(seen).toMatchObject({
        method: 'PATCH',
        path: '/graphql',
        body: '{"query":"{ viewer { id } }"}',
        headers: { 'content-type': 'application/json', 'x-own': '1', 'content-length': '29' },
      })
    expect(api.seen).toHaveLength(2)
    await expect(fetch(request)).rejects.toThrow('has been used already')
  })

  it('sends a stream as it comes, and only once: the 401 is the answer, and the next request has another token', async () => {
    const api = await startApi(accepts('token-2'))
    const { fetch } = fetchFor([api.origin])
    const stream = () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('streamed'))
          controller.close()
        },
      })
    const init = () => ({ method: 'POST', body: stream(), duplex: 'half' }) as const
    expect((await fetch(api.origin, init())).status).toBe(401)
    expect(api.seen).toMatchObject([{ body: 'streamed' }])
    expect((await fetch(api.origin, init())).status).toBe(200)
  })

  it('does not wait for the end of a Request that is still being written', async () => {
    const arrived = deferred<string>()
    const server = createServer((request, response) => {
      request.once('data', (chunk) => arrived.resolve(String(chunk)))
      request.on('end', () => response.end('whole'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closing.push(() => server.close())
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const { fetch } = fetchFor([origin])
    const answer = fetch(
      new Request(origin, { method: 'POST', body: readable, duplex: 'half' } as RequestInit),
    )
    await writer.write(new TextEncoder().encode('first'))
    expect(await arrived.promise).toBe('first')
    await writer.close()
    expect(await (await answer).text()).toBe('whole')
  })

  it('sends a large Request whole, and not twice', async () => {
    const api = await startApi(accepts('token-2'))
    const { fetch } = fetchFor([api.origin])
    const body = 'x'.repeat(1_500_000)
    const response = await fetch(new Request(api.origin, { method: 'PUT', body }))
    expect(response.status).toBe(401)
    expect(api.seen.map((seen) => seen.body.length)).toEqual([1_500_000])
  })

  it('outlives an upload that breaks off while the token is being fetched', async () => {
    const api = await startApi(accepts('token-1'))
    const hold = deferred<void>()
    const fetch: typeof globalThis.fetch = async (input, init) => {
      if (!String(input).startsWith('https://broker.example')) return globalThis.fetch(input, init)
      await hold.promise
      return countingFetch(() => ({ origins: [api.origin] }))(input, init)
    }
    const bound = createFetchIn(testContext({ fetch, identity: 'me' }), 'linear/mybot', user, {})
    const body = new ReadableStream({
      async pull(controller) {
        controller.enqueue(new Uint8Array(600_000))
        if (++pulls > 2) controller.error(new Error('the uploader is gone'))
      },
    })
    let pulls = 0
    const answer = bound(new Request(api.origin, { method: 'POST', body, duplex: 'half' } as RequestInit))
    await new Promise((resolve) => setTimeout(resolve, 20))
    hold.resolve()
    await expect(answer).rejects.toThrow()
  })

  it('S26 quotes no token that a header can not hold', async () => {
    const api = await startApi(() => {})
    const broker = countingFetch(() => ({ origins: [api.origin], token: 'sk-live-SECRET\nline2' }))
    const bound = createFetchIn(testContext({ fetch: broker, identity: 'me' }), 'linear/mybot', user, {})
    const error = await errorOf(bound(api.origin))
    expect(error.code).toBe('invalid_response')
    expect(String(error.stack)).not.toContain('SECRET')
  })

  it('returns the second 401, and asks for no third token', async () => {
    const api = await startApi(accepts('none of them'))
    const { fetch, exchanges } = fetchFor([api.origin])
    const responses = [await fetch(api.origin), await fetch(api.origin)]
    expect(responses.map(({ status }) => status)).toEqual([401, 401])
    expect(await responses[1]?.text()).toBe('answer')
    expect(exchanges).toHaveLength(2)
  })

  it('leaves a 401 of another origin alone', async () => {
    const other = await startApi((_, response) => response.writeHead(401).end())
    const api = await startApi((_, response) => response.writeHead(302, { location: other.origin }).end())
    const { fetch, exchanges } = fetchFor([api.origin])
    expect((await fetch(api.origin)).status).toBe(401)
    expect((await fetch(other.origin)).status).toBe(401)
    expect(exchanges).toHaveLength(1)
  })

  it('ends the wait for the token, and the request, with the signal of the request', async () => {
    const api = await startApi(() => {})
    const { fetch } = fetchFor([api.origin])
    expect(await errorOf(fetch(api.origin, { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'aborted',
    })
    expect(api.seen).toEqual([])
    const controller = new AbortController()
    const answer = fetch(api.origin, { signal: controller.signal })
    await expect.poll(() => api.seen.length).toBe(1)
    controller.abort()
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('hands what one runtime alone knows to its fetch', async () => {
    const seen: RequestInit[] = []
    const fetch: typeof globalThis.fetch = async (input, init) => {
      if (String(input).startsWith('https://broker.example'))
        return countingFetch(() => ({ origins: ['https://api.example'] }))(input, init)
      seen.push(init ?? {})
      return new Response()
    }
    const bound = createFetchIn(testContext({ fetch, identity: 'me' }), 'linear/mybot', user, {})
    await bound('https://api.example/', { cache: 'no-store', dispatcher: 'a dispatcher' } as object)
    expect(seen[0]).toMatchObject({ cache: 'no-store', dispatcher: 'a dispatcher' })
    await bound(new Request('https://api.example/', { cache: 'reload', integrity: 'sha256-x' }))
    expect(seen[1]).toMatchObject({ cache: 'reload', integrity: 'sha256-x' })
    expect(seen[1]).not.toHaveProperty('keepalive')
  })

  it('copies its arguments, and refuses wrong ones at once', async () => {
    const api = await startApi(accepts('token-1'))
    const broker = countingFetch(() => ({ origins: [api.origin] }))
    const context = testContext({ fetch: broker, identity: 'me' })
    const params = { subject: { type: 'user', id: 'ann' } }
    const bound = createFetchIn(context, 'linear/mybot', params as never, {})
    params.subject.id = 'bob'
    await bound('https://api.example/').catch(() => {})
    expect(broker.seen[0]?.body).toMatchObject({ subject: { id: 'ann' } })
    for (const origin of ['https://api.example/', 'https://api.example/path', 'api.example', 'file:///x', ''])
      expect(() => createFetchIn(context, 'linear/mybot', user, { allowOrigins: [origin] })).toThrow(
        'allowOrigins',
      )
    expect(() => createFetchIn(context, 'linear/mybot', user, { rejectedToken: 'x' } as never)).toThrow()
    expect(() => createFetchIn(context, 'linear/mybot', user, { unknown: 1 } as never)).toThrow('unknown')
    expect(() => createFetchIn(context, 'linear/mybot', {} as never, {})).toThrow('subject')
  })
})
