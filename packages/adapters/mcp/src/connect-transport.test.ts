import { describe, expect, it } from 'vitest'
import { connectTransport } from './connect-transport.ts'
import { getConsentChallenge } from './consent-required.ts'
import { rejectionOf, testIssuingPoint } from './test-issuing-point.ts'

const server = 'https://mcp.example'
const user = { subject: { type: 'user', id: 'ann' } } as const
const anywhere = new URL('https://valetkey.invalid/authorize')
const call = { method: 'POST', body: '{}' }
const stream = { headers: { accept: 'text/event-stream' } }

function connect() {
  const point = testIssuingPoint()
  return { point, ...connectTransport(`${server}/mcp`, 'linear/mybot', user, { client: point.client }) }
}

const refused: ResponseInit = {
  status: 401,
  headers: { 'www-authenticate': 'Bearer resource_metadata="https://evil.example/metadata"' },
}

describe('connectTransport', () => {
  it('S34 sends the token to the server, by its `fetch` alone', async () => {
    const { point, fetch, authProvider } = connect()
    expect(await authProvider.tokens()).toBeUndefined()
    await fetch(`${server}/mcp`, call)
    await fetch(new URL(`${server}/messages?sessionId=1`), { method: 'post', body: '{}' })
    await fetch(new Request(`${server}/mcp`, stream))
    expect(point.sent.map(({ headers }) => headers.get('authorization'))).toEqual(
      Array.from({ length: 3 }, () => 'Bearer token-1'),
    )
  })

  it('S21 never sends the identity there', async () => {
    const { point, fetch } = connect()
    await fetch(`${server}/mcp`, call)
    expect(JSON.stringify(point.sent.map(({ headers }) => [...headers]))).not.toContain('the-identity')
  })

  it.each([
    ['another origin', 'https://evil.example/mcp', call],
    ['another port', 'https://mcp.example:444/mcp', call],
    ['a longer host', 'https://mcp.example.evil.example/mcp', call],
    ['plain http', 'http://mcp.example/mcp', call],
    ['well-known metadata', `${server}/.well-known/oauth-protected-resource/mcp`, stream],
    ['a registration there', `${server}/.well-known/register`, call],
    ['metadata that the server names', `${server}/metadata`, {}],
    ['metadata, asked for as JSON', `${server}/mcp`, { headers: { accept: 'application/json' } }],
    ['a Request for metadata', new Request(`${server}/metadata`), undefined],
  ])('S23 answers 404 itself, and asks for no token: %s', async (_what, target, init) => {
    const { point, fetch } = connect()
    expect((await fetch(target, init)).status).toBe(404)
    expect(point.sent).toEqual([])
    expect(point.asked).toEqual([])
  })

  it('repeats a request whose token was rejected, once', async () => {
    const { point, fetch } = connect()
    point.answer = ({ headers }) =>
      headers.get('authorization') === 'Bearer token-1' ? new Response('no', refused) : new Response('ok')
    expect(await (await fetch(`${server}/mcp`, call)).text()).toBe('ok')
    expect(point.sent).toHaveLength(2)
    expect(point.asked.map(({ body }) => body.rejectedTokenId)).toEqual([undefined, 'stk_1'])
  })

  it('asks for consent when the second is rejected too, and hides what the server names', async () => {
    const { point, fetch, authProvider } = connect()
    point.answer = () => new Response('a body', refused)
    const response = await fetch(`${server}/mcp`, call)
    expect(response.status).toBe(401)
    expect([...response.headers]).toEqual([])
    expect(await response.text()).toBe('')
    const error = await rejectionOf(authProvider.redirectToAuthorization(anywhere))
    expect(getConsentChallenge(error)?.request).toBe('ask_1')
    expect(point.asked.map(({ route }) => route)).toEqual(['token', 'token', 'authorize'])
  })

  it('asks for consent when there is no other token', async () => {
    const { point, fetch, authProvider } = connect()
    point.answer = () => {
      point.consented = false
      return new Response('no', refused)
    }
    expect((await fetch(`${server}/mcp`, call)).status).toBe(401)
    const error = await rejectionOf(authProvider.redirectToAuthorization(anywhere))
    expect(getConsentChallenge(error)?.request).toBe('ask_1')
    expect(point.sent).toHaveLength(1)
  })

  it('sends nothing where consent is missing, and raises that where an EventSource cannot lose it', async () => {
    const { point, fetch, authProvider } = connect()
    point.consented = false
    expect((await fetch(`${server}/mcp`, stream)).status).toBe(401)
    expect(point.sent).toEqual([])
    const error = await rejectionOf(authProvider.validateAuthorizationServerURL(server, server))
    expect(getConsentChallenge(error)?.request).toBe('ask_1')
    expect(point.asked.map(({ route }) => route)).toEqual(['token', 'authorize'])
  })

  it('raises any other refusal of the issuing point the same way', async () => {
    const point = testIssuingPoint()
    const { fetch, authProvider } = connectTransport(server, 'linear/mybot', user, {
      client: point.client,
      identityToken: () => '',
    })
    expect((await fetch(server, call)).status).toBe(401)
    const error = await rejectionOf(authProvider.redirectToAuthorization(anywhere))
    expect(error).toMatchObject({ name: 'ConnectError', code: 'identity_unavailable' })
    expect(point.sent).toEqual([])
  })

  it('leaves faults of the network and aborts to the client', async () => {
    const { point, fetch } = connect()
    point.answer = () => {
      throw new TypeError('fetch failed')
    }
    await expect(fetch(`${server}/mcp`, call)).rejects.toThrow(TypeError)
    const signal = AbortSignal.abort(new Error('the caller gave up'))
    await expect(fetch(`${server}/mcp`, { ...call, signal })).rejects.toThrow()
  })

  it('says so, and reports no token, where a transport was given the provider alone', async () => {
    const { point, authProvider } = connect()
    const error = await rejectionOf(authProvider.redirectToAuthorization(anywhere))
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('`fetch`') })
    expect(point.asked).toEqual([])
  })

  it('reports no token for a scope that is missing', async () => {
    const { point, fetch, authProvider } = connect()
    const headers = { 'www-authenticate': 'Bearer error="insufficient_scope", scope="write"' }
    point.answer = () => new Response('no', { status: 403, headers })
    expect((await fetch(`${server}/mcp`, call)).status).toBe(403)
    const error = await rejectionOf(authProvider.redirectToAuthorization(anywhere))
    expect(error).toMatchObject({ code: 'provider_refused', retryable: false, status: 403 })
    expect(point.asked).toHaveLength(1)
  })
})
