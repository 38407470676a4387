import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { completeAuthorizationIn } from '../calls/complete-authorization.ts'
import { startAuthorizationIn } from '../calls/start-authorization.ts'
import { startInstallationIn } from '../calls/start-installation.ts'
import { waitForAuthorizationIn } from '../calls/wait-for-authorization.ts'
import type { Context } from '../client/context.ts'
import { startAnswer, statusAnswer } from '../test-support/consent.ts'
import { errorOf, fakeFetch, testContext } from '../test-support/fakes.ts'
import { startServer } from '../test-support/http-server.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function serve(answer: (response: ServerResponse) => void): Promise<string> {
  const server = await startServer((_request, response) => answer(response))
  closing.push(server.close)
  return server.url
}

const alice = { subject: { type: 'user', id: 'alice' } } as const
const pending = { request: 'crq_1', verifier: 'secret-verifier' }
const calls: [string, (context: Context, timeoutMs: number) => Promise<unknown>][] = [
  ['startAuthorization', (context, timeoutMs) => startAuthorizationIn(context, 'c', alice, { timeoutMs })],
  ['startInstallation', (context, timeoutMs) => startInstallationIn(context, 'c', {}, { timeoutMs })],
  [
    'completeAuthorization',
    (context, timeoutMs) =>
      completeAuthorizationIn(context, { ...pending, code: 'secret-code' }, { timeoutMs }),
  ],
  ['waitForAuthorization', (context, timeoutMs) => waitForAuthorizationIn(context, pending, { timeoutMs })],
]

const lies: [string, (response: ServerResponse) => void][] = [
  ['an empty body', (response) => response.end()],
  ['a body that is no JSON', (response) => response.end('<html>secret-value</html>')],
  ['JSON that is no object', (response) => response.end('["secret-value"]')],
  ['an object of another kind', (response) => response.end('{"token":"secret-value"}')],
  ['a huge body', (response) => response.end(JSON.stringify({ pad: 'secret-value'.repeat(30_000) }))],
  ['nothing but nesting', (response) => response.end('['.repeat(200_000))],
]

describe.each(calls)('S36 %s', (_name, call) => {
  it.each(lies)('gives invalid_response for %s', async (_what, lie) => {
    const context = testContext({ url: await serve(lie), identity: 'secret-identity' })
    const error = await errorOf(call(context, 5000))
    expect([error.code, error.retryable]).toEqual(['invalid_response', false])
    expect(`${error.message} ${String(error.cause)} ${error.stack}`).not.toContain('secret-')
  })

  it.each([301, 307])('does not follow a redirect with %i', async (code) => {
    let followed = 0
    const elsewhere = await serve((response) => {
      followed++
      response.end('{}')
    })
    const url = await serve((response) => {
      response.writeHead(code, { location: `${elsewhere}/secret-value` })
      response.end()
    })
    const error = await errorOf(call(testContext({ url, identity: 'me' }), 5000))
    expect([error.code, error.status, followed]).toEqual(['invalid_response', code, 0])
    expect(error.message).not.toContain('secret-value')
  })

  it('leaves an answer that drips when the time is up', async () => {
    const timers: NodeJS.Timeout[] = []
    const url = await serve((response) => {
      response.write('{')
      timers.push(setInterval(() => response.write(' '), 5))
    })
    const startedAtMs = performance.now()
    const error = await errorOf(call(testContext({ url, identity: 'me' }), 150))
    for (const timer of timers) clearInterval(timer)
    expect(error.code).toBe('timeout')
    expect(performance.now() - startedAtMs).toBeLessThan(1500)
  })
})

describe('S36 the answer to a start', () => {
  const withConnector = (more: object) => ({ connector: { ...startAnswer().connector, ...more } })

  it.each([
    ['no url', { url: undefined }],
    ['a url that runs', { url: 'javascript:alert("secret-value")' }],
    ['a url over plain http', { url: 'http://broker.example/secret-value' }],
    ['a url on this machine', { url: 'http://127.0.0.1:4570/secret-value' }],
    ['a url with user info', { url: 'https://broker.example@secret-value.example/' }],
    ['a url with a backslash', { url: 'https://broker.example/\\secret-value?a' }],
    ['a url with a line break in its query', { url: 'https://broker.example/?a\nsecret-value' }],
    ['a url of any length', { url: `https://broker.example/?${'secret-value'.repeat(2000)}` }],
    ['a page for the code that runs', { verificationUri: 'javascript:alert("secret-value")' }],
    ['a page for the code over plain http', { verificationUri: 'http://broker.example/secret-value' }],
    ['a page for the code that is no string', { verificationUri: { a: 'secret-value' } }],
    ['no request', { request: '' }],
    ['a request that is no string', { request: { a: 'secret-value' } }],
    ['no verifier', { verifier: undefined }],
    ['an oversized verifier', { verifier: 'secret-value'.repeat(1000) }],
    ['no expiry', { expiresAt: undefined }],
    ['an expiry in the past', { expiresAt: Date.now() - 1 }],
    ['an expiry in seconds', { expiresAt: Date.now() / 1000 + 600 }],
    ['an expiry that is no number', { expiresAt: '9999999999999' }],
    ['a device code that is no string', { deviceCode: { a: 'secret-value' } }],
    ['no connector', { connector: undefined }],
    ['a connector without a name', withConnector({ name: undefined })],
    ['a connector with a malformed id', withConnector({ id: 1 })],
  ])('is refused with %s', async (_what, more) => {
    const fetch = fakeFetch(() => Response.json({ ...startAnswer(), ...more }))
    const context = testContext({ fetch, identity: 'me' })
    for (const promise of [
      startAuthorizationIn(context, 'c', alice, undefined),
      startInstallationIn(context, 'c', {}, undefined),
    ]) {
      const error = await errorOf(promise)
      expect([error.code, error.connector]).toEqual(['invalid_response', 'c'])
      expect(error.message).not.toContain('secret-')
    }
  })

  it('may send the browser to a provider, with whatever its own address needs', async () => {
    const url = `https://provider.example/authorize?scope=${'a%20'.repeat(1000)}&x=a@b#fragment`
    const fetch = fakeFetch(() => Response.json(startAnswer({ url })))
    const started = await startAuthorizationIn(testContext({ fetch, identity: 'me' }), 'c', alice, {})
    expect(started.url).toBe(url)
  })
})

describe('S36 the answer about a request', () => {
  it.each([
    ['another request', { ...statusAnswer('active'), request: 'secret-other' }],
    ['an unknown status', { ...statusAnswer('active'), status: 'secret-done' }],
    ['a status from the prototype', { ...statusAnswer('active'), status: 'constructor' }],
    ['a malformed reason', { ...statusAnswer('denied'), error: { code: 1 } }],
  ])('is refused for %s', async (_what, answer) => {
    const fetch = fakeFetch(() => Response.json(answer))
    const context = testContext({ fetch, identity: 'me' })
    for (const promise of [
      waitForAuthorizationIn(context, pending, undefined),
      completeAuthorizationIn(context, { ...pending, code: 'secret-code' }, undefined),
    ]) {
      const error = await errorOf(promise)
      expect(error.code).toBe('invalid_response')
      expect(error.message).not.toContain('secret-')
    }
  })

  it.each(['pending', 'consented', 'denied', 'error', 'expired'] as const)(
    'S01 %s is no completion',
    async (status) => {
      const fetch = fakeFetch(() => Response.json(statusAnswer(status)))
      const context = testContext({ fetch, identity: 'me' })
      const error = await errorOf(completeAuthorizationIn(context, { ...pending, code: 'c' }, undefined))
      expect(error.code).toBe('invalid_response')
    },
  )
})
