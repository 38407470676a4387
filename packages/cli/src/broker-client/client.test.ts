import { describe, expect, it } from 'vitest'
import { Failure } from '../failure.ts'
import { anyObject, object, text } from './check.ts'
import { createBrokerClient, route } from './client.ts'

const url = 'http://127.0.0.1:4570'

function clientOf(answer: (request: Request) => Response | Promise<Response>) {
  const requests: Request[] = []
  const client = createBrokerClient({
    url,
    accessToken: 'vk_secret',
    timeoutMs: 50,
    async fetch(input, init) {
      const request = new Request(input, init)
      requests.push(request)
      return await answer(request)
    },
  })
  return { client, requests }
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const result: unknown = await promise.catch((error: unknown) => error)
  if (result instanceof Failure) return result
  throw new Error('It did not fail')
}

describe('createBrokerClient', () => {
  it('sends the token and a content type, and does not follow redirects', async () => {
    const { client, requests } = clientOf(() => Response.json({}))
    await client.call('DELETE', '/v1/projects/a', anyObject, {
      query: { environment: ['a', 'b'], none: undefined },
    })
    const [request] = requests
    expect(request?.url).toBe(`${url}/v1/projects/a?environment=a&environment=b`)
    expect(request?.headers.get('authorization')).toBe('Bearer vk_secret')
    expect(request?.headers.get('content-type')).toBe('application/json')
    expect(request?.redirect).toBe('manual')
  })

  it('passes on code, message and request id of a refusal', async () => {
    const error = { code: 'conflict', message: 'The name is taken', requestId: 'req_1' }
    const { client } = clientOf(() => Response.json({ error }, { status: 409 }))
    const failure = await failureOf(client.call('POST', '/v1/projects', anyObject, { body: {} }))
    expect(failure).toMatchObject({
      code: 'conflict',
      message: 'The name is taken',
      requestId: 'req_1',
      exitCode: 1,
    })
  })

  it.each([
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://evil.example' } })],
    ['text', () => new Response('hello')],
    ['another shape', () => Response.json({ name: 1 })],
    ['an error page', () => new Response('<html>secret</html>', { status: 500 })],
    ['a body without end', () => new Response('x'.repeat(9 * 1_048_576))],
  ])('calls %s an invalid response', async (_, answer) => {
    const { client } = clientOf(answer)
    const failure = await failureOf(
      client.call('GET', '/v1/projects/a', object<{ name: string }>({ name: text })),
    )
    expect(failure.code).toBe('invalid_response')
    expect(failure.message).not.toContain('secret')
  })

  it('says how to start the broker when nothing listens', async () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    const { client } = clientOf(() => Promise.reject(new TypeError('fetch failed', { cause: refused })))
    const failure = await failureOf(client.call('GET', '/v1/projects', anyObject))
    expect(failure.code).toBe('unavailable')
    expect(failure.message).toBe(`Nothing answers at ${url}: start it with \`valetkey dev\``)
  })

  it('gives up in time', async () => {
    const { client } = clientOf(
      (request) =>
        new Promise((_, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason))
        }),
    )
    expect((await failureOf(client.call('GET', '/v1/projects', anyObject))).code).toBe('timeout')
  })

  it('S26 does not repeat the error of fetch, which may hold the request', async () => {
    const { client } = clientOf(() => Promise.reject(new TypeError('bad header Bearer vk_secret')))
    const failure = await failureOf(client.call('GET', '/v1/projects', anyObject))
    expect(failure.message).not.toContain('vk_secret')
  })
})

describe('route', () => {
  it('keeps each name one segment', () => {
    expect(route`/v1/connect/connectors/${'slack/a b'}/projects/${'?#%'}`).toBe(
      '/v1/connect/connectors/slack%2Fa%20b/projects/%3F%23%25',
    )
  })

  it.each(['', '.', '..'])('refuses the name %j, which would address another route', (name) => {
    expect(() => route`/v1/projects/${name}`).toThrow('must not be')
  })
})
