import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { getConnectorMetadataIn } from '../calls/get-connector-metadata.ts'
import { getTokenIn } from '../calls/get-token.ts'
import { errorOf, testContext, tokenResponse } from '../test-support/fakes.ts'
import { startServer } from '../test-support/http-server.ts'

const app = { subject: { type: 'app' } } as const
const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function serve(answer: (response: ServerResponse, path: string) => void): Promise<string> {
  const server = await startServer((request, response) => answer(response, request.url ?? ''))
  closing.push(server.close)
  return server.url
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(value))
}

const lies: [string, (response: ServerResponse) => void][] = [
  ['an empty body', (response) => response.end()],
  ['a body that is no JSON', (response) => response.end('<html>secret-value</html>')],
  ['JSON that is no object', (response) => json(response, ['secret-value'])],
  ['null', (response) => json(response, null)],
  ['no token', (response) => json(response, { ...tokenResponse(), token: undefined })],
  ['an empty token', (response) => json(response, tokenResponse({ token: '' }))],
  [
    'a token that is no string',
    (response) => json(response, { ...tokenResponse(), token: { a: 'secret-value' } }),
  ],
  ['an oversized token', (response) => json(response, tokenResponse({ token: 'x'.repeat(70_000) }))],
  ['no expiry', (response) => json(response, { ...tokenResponse(), expiresAt: undefined })],
  [
    'an expiry that is no number',
    (response) => json(response, { ...tokenResponse(), expiresAt: '9999999999999' }),
  ],
  ['an expired token', (response) => json(response, tokenResponse({ expiresAt: Date.now() - 1 }))],
  [
    'an expiry in seconds',
    (response) => json(response, tokenResponse({ expiresAt: Date.now() / 1000 + 3600 })),
  ],
  [
    'an expiry beyond all numbers',
    (response) => response.end(`{"token":"t","expiresAt":1e999,"connector":{}}`),
  ],
  ['no connector', (response) => json(response, { ...tokenResponse(), connector: undefined })],
  [
    'origins that are no list',
    (response) => json(response, { ...tokenResponse(), origins: 'https://a.example' }),
  ],
  ['origins that are no strings', (response) => json(response, { ...tokenResponse(), origins: [{}] })],
  ['a token id that is no string', (response) => json(response, { ...tokenResponse(), tokenId: {} })],
  ['a huge body', (response) => json(response, { ...tokenResponse(), pad: 'x'.repeat(300_000) })],
  [
    'a body that announces to be huge and never ends',
    (response) => {
      response.write(`{"token":"${'x'.repeat(300_000)}`)
    },
  ],
  ['nothing but nesting', (response) => response.end('['.repeat(200_000))],
]

describe('S36 a lying issuing point', () => {
  it.each(lies)('S36 that answers with %s gives invalid_response', async (_what, lie) => {
    const context = testContext({ url: await serve(lie), identity: 'secret-identity' })
    const error = await errorOf(getTokenIn(context, 'c', app, { timeoutMs: 5000 }))
    expect(error.code).toBe('invalid_response')
    expect(error.retryable).toBe(false)
    expect(`${error.message} ${String(error.cause)} ${error.stack}`).not.toMatch(/secret-|xxx/)
    expect(error.connector).toBe('c')
  })

  it.each([301, 302, 303, 307, 308])('S36 that redirects with %i is not followed', async (status) => {
    let followed = 0
    const elsewhere = await serve((response) => {
      followed++
      json(response, tokenResponse())
    })
    const url = await serve((response) => {
      response.writeHead(status, { location: `${elsewhere}/secret-value` })
      response.end()
    })
    const context = testContext({ url, identity: 'me' })
    const error = await errorOf(getTokenIn(context, 'c', app, undefined))
    expect([error.code, error.status, followed]).toEqual(['invalid_response', status, 0])
    expect(error.message).not.toContain('secret-value')
  })

  it('S36 that drips its answer is left when the time is up', async () => {
    const timers: NodeJS.Timeout[] = []
    const url = await serve((response) => {
      response.write('{')
      timers.push(setInterval(() => response.write(' '), 5))
    })
    const context = testContext({ url, identity: 'me' })
    const started = performance.now()
    const error = await errorOf(getTokenIn(context, 'c', app, { timeoutMs: 150 }))
    for (const timer of timers) clearInterval(timer)
    expect(error.code).toBe('timeout')
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it('S36 that never answers is left when the time is up', async () => {
    const context = testContext({ url: await serve(() => {}), identity: 'me', timeoutMs: 100 })
    const error = await errorOf(getTokenIn(context, 'c', app, undefined))
    expect([error.code, error.message]).toEqual(['timeout', 'No answer within 100 ms'])
  })

  it('S36 that closes the connection is asked again, and then unavailable', async () => {
    let asked = 0
    const url = await serve((response) => {
      asked++
      response.destroy()
    })
    const context = testContext({ url, identity: 'secret-identity' })
    const error = await errorOf(getTokenIn(context, 'c', app, { timeoutMs: 5000 }))
    expect([error.code, error.retryable]).toEqual(['unavailable', true])
    expect(asked).toBeGreaterThan(1)
    expect(error.cause).toBeUndefined()
  })

  it('S36 that refuses with a huge body is refused in turn', async () => {
    const url = await serve((response) => {
      response.statusCode = 403
      response.end('x'.repeat(300_000))
    })
    const context = testContext({ url, identity: 'me' })
    expect((await errorOf(getTokenIn(context, 'c', app, undefined))).code).toBe('invalid_response')
  })

  it('S36 that plays the identity back in its refusal is not quoted', async () => {
    const url = await serve((response) => {
      response.statusCode = 401
      json(response, {
        error: { code: 'identity_invalid', message: 'bad token: secret-identity', requestId: 'r1' },
      })
    })
    const context = testContext({ url, identity: 'secret-identity' })
    const error = await errorOf(getTokenIn(context, 'c', app, undefined))
    expect([error.code, error.requestId]).toEqual(['identity_invalid', 'r1'])
    expect(error.message).not.toContain('secret-identity')
  })

  it('S36 that describes nothing gives invalid_response', async () => {
    const url = await serve((response) => json(response, { id: 'scl_1' }))
    const context = testContext({ url, identity: 'me' })
    expect((await errorOf(getConnectorMetadataIn(context, 'c', undefined))).code).toBe('invalid_response')
  })

  it('S36 whose object is custom gets no further either', async () => {
    const issuingPoint = {
      id: 'mine',
      audience: 'mine',
      issueToken: () => Promise.resolve({ token: 't', expiresAt: 1, connector: {} }),
    }
    const context = testContext({ issuingPoint, identity: 'me' })
    expect((await errorOf(getTokenIn(context, 'c', app, undefined))).code).toBe('invalid_response')
    const failing = { ...issuingPoint, issueToken: () => Promise.reject(new Error('secret-value')) }
    const error = await errorOf(
      getTokenIn(testContext({ issuingPoint: failing, identity: 'me' }), 'c', app, undefined),
    )
    expect([error.code, error.message.includes('secret-value'), error.cause]).toEqual([
      'unavailable',
      false,
      undefined,
    ])
  })
})
