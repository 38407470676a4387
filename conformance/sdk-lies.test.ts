import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { createClient, isConnectError } from '@valetkey/sdk'
import { afterEach, describe, expect, it } from 'vitest'
import { type LoopbackServer, sendJson, startLoopbackServer } from './support/http.ts'

const app = { subject: { type: 'app' } } as const
const timeoutMs = 1_500
const identity = 'secret-identity'
const opened: LoopbackServer[] = []

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close()
})

async function serve(
  answer: (response: ServerResponse) => unknown,
): Promise<LoopbackServer & { seen: string[] }> {
  const seen: string[] = []
  const server = await startLoopbackServer((request, response) => {
    seen.push(`${request.headers.authorization}`)
    return answer(response)
  })
  opened.push(server)
  return { ...server, seen }
}

const truth = () => ({
  token: 'good-token',
  expiresAt: Date.now() + 3_600_000,
  connector: { id: 'scl_1', uid: 'vault/x', type: 'vault' },
})

/** Asks a server that lies; returns the error's code, having checked that it says nothing it should not. */
async function askLiar(
  answer: (response: ServerResponse) => unknown,
): Promise<{ code: string; asked: number }> {
  const server = await serve(answer)
  const { getToken } = createClient({ url: server.url, identity })
  const started = performance.now()
  const outcome: unknown = await getToken('vault/x', app, { timeoutMs }).catch((error: unknown) => error)
  // Within the timeout; the rest is for a loaded machine.
  expect(performance.now() - started).toBeLessThan(timeoutMs + 5_000)
  if (!isConnectError(outcome)) throw new Error(`expected an error, got ${String(outcome)}`)
  expect(
    `${outcome.message} ${String(outcome.cause)} ${JSON.stringify(outcome)} ${outcome.stack}`,
  ).not.toMatch(/secret-|xxxx/)
  expect(outcome.message.length).toBeGreaterThan(10)
  expect(outcome.connector).toBe('vault/x')
  return { code: outcome.code, asked: server.seen.length }
}

const json = (change: (good: ReturnType<typeof truth>) => unknown) => (response: ServerResponse) =>
  sendJson(response, change(truth()))

describe('S36 an answer of 200 that is none', () => {
  const lies: readonly (readonly [string, (response: ServerResponse) => unknown])[] = [
    ['an empty body', (response) => response.end()],
    ['white space', (response) => response.end(' \n')],
    ['HTML', (response) => response.end('<html>secret-page</html>')],
    ['half of it', (response) => response.end(JSON.stringify(truth()).slice(0, 40))],
    ['two of it', (response) => response.end(JSON.stringify(truth()).repeat(2))],
    ['null', json(() => null)],
    ['a list of it', json((good) => [good])],
    ['a text of it', json((good) => JSON.stringify(good))],
    ['an error', json(() => ({ error: { code: 'forbidden', message: 'secret-message' } }))],
    ['no token', json(({ token: _, ...rest }) => rest)],
    ['an empty token', json((good) => ({ ...good, token: '' }))],
    ['a token of null', json((good) => ({ ...good, token: null }))],
    ['a token that is an object', json((good) => ({ ...good, token: { value: 'secret-token' } }))],
    ['a huge token', json((good) => ({ ...good, token: 'x'.repeat(100_000) }))],
    ['no expiry', json(({ expiresAt: _, ...rest }) => rest)],
    ['an expired token', json((good) => ({ ...good, expiresAt: Date.now() - 1_000 }))],
    ['an expiry in seconds', json((good) => ({ ...good, expiresAt: Math.floor(good.expiresAt / 1000) }))],
    ['an expiry as text', json((good) => ({ ...good, expiresAt: new Date(good.expiresAt).toISOString() }))],
    [
      'an expiry beyond all numbers',
      (response) => response.end('{"token":"t","expiresAt":1e999,"connector":{}}'),
    ],
    ['no connector', json(({ connector: _, ...rest }) => rest)],
    ['origins that are a text', json((good) => ({ ...good, origins: 'https://evil.example' }))],
    ['origins that are numbers', json((good) => ({ ...good, origins: [1] }))],
    ['a huge body', json((good) => ({ ...good, padding: 'x'.repeat(2_000_000) }))],
    [
      'a small body that unpacks to a huge one',
      (response) =>
        response
          .writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' })
          .end(gzipSync(JSON.stringify({ ...truth(), padding: 'x'.repeat(5_000_000) }))),
    ],
    ['nothing but nesting', (response) => response.end('['.repeat(150_000))],
  ]
  it.each(lies)('S36 %s is an invalid response, once', async (_what, lie) => {
    expect(await askLiar(lie)).toEqual({ code: 'invalid_response', asked: 1 })
  })

  it('S36 is not remembered: the truth afterwards is taken', async () => {
    let lying = true
    const server = await serve((response) => (lying ? response.end('{}') : sendJson(response, truth())))
    const { getToken } = createClient({ url: server.url, identity })
    await expect(getToken('vault/x', app)).rejects.toMatchObject({ code: 'invalid_response' })
    lying = false
    expect(await getToken('vault/x', app)).toBe('good-token')
  })
})

describe('S36 an answer that goes elsewhere', () => {
  it.each([301, 302, 303, 307, 308])('S36 a redirect with %i is not followed', async (status) => {
    const elsewhere = await serve((response) => sendJson(response, truth()))
    const location = `${elsewhere.url}/v1/connect/token/vault%2Fx`
    const lie = (response: ServerResponse) => response.writeHead(status, { location }).end()
    expect(await askLiar(lie)).toEqual({ code: 'invalid_response', asked: 1 })
    expect(elsewhere.seen).toEqual([])
  })

  it('S36 a redirect to itself is not followed either', async () => {
    const lie = (response: ServerResponse) =>
      response.writeHead(307, { location: '/v1/connect/token/other' }).end()
    expect(await askLiar(lie)).toEqual({ code: 'invalid_response', asked: 1 })
  })

  it('S36 an error that plays the credential back does not repeat it', async () => {
    const echo = (response: ServerResponse) =>
      sendJson(response, { error: { code: 'identity_invalid', message: `no: ${identity}` } }, 401)
    expect((await askLiar(echo)).code).toBe('identity_invalid')
  })

  it.each([
    [400, 'invalid_request'],
    [401, 'identity_invalid'],
    [403, 'forbidden'],
    [418, undefined],
    [500, undefined],
  ])('S36 a status of %i with HTML is a clear error', async (status, code) => {
    const html = (response: ServerResponse) => response.writeHead(status).end('<html>secret-page</html>')
    const answer = await askLiar(html)
    if (code !== undefined) expect(answer.code).toBe(code)
    expect(answer.asked).toBe(1)
  })
})

describe('S36 an answer that does not come', () => {
  const silences: readonly (readonly [string, (response: ServerResponse) => unknown])[] = [
    ['nothing at all', () => {}],
    ['headers and then nothing', (response) => response.writeHead(200).flushHeaders()],
    [
      'a slow drip',
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const text = JSON.stringify(truth())
        let at = 0
        const timer = setInterval(() => response.write(text[at++ % text.length] ?? ' '), 50)
        response.on('close', () => clearInterval(timer))
      },
    ],
    [
      'less than was announced',
      (response) => {
        response.writeHead(200, { 'content-length': '1000' })
        response.write('{"token":"')
      },
    ],
  ]
  it.each(silences)('S36 %s is a timeout, in time', async (_what, silence) => {
    expect((await askLiar(silence)).code).toBe('timeout')
  })

  const faults: readonly (readonly [string, (response: ServerResponse) => unknown])[] = [
    ['a closed connection', (response) => response.destroy()],
    ['a connection closed under way', (response) => response.write('{"token"', () => response.destroy())],
    ['a broker that is away', (response) => sendJson(response, {}, 503)],
  ]
  it.each(faults)('S36 %s is tried again, and unavailable in the end', async (_what, fault) => {
    const { code, asked } = await askLiar(fault)
    expect(['unavailable', 'timeout']).toContain(code)
    expect(asked).toBeGreaterThan(1)
    expect(asked).toBeLessThan(10)
  })

  it('S36 a wait that would outlast the call is not begun', async () => {
    const later = (response: ServerResponse) => response.writeHead(429, { 'retry-after': '3600' }).end('{}')
    expect(await askLiar(later)).toEqual({ code: 'rate_limited', asked: 1 })
  })

  it('S36 an aborted call ends at once', async () => {
    const server = await serve(() => {})
    const { getToken } = createClient({ url: server.url, identity })
    const aborting = new AbortController()
    setTimeout(() => aborting.abort(), 50)
    const started = performance.now()
    await expect(getToken('vault/x', app, { signal: aborting.signal })).rejects.toMatchObject({
      code: 'aborted',
    })
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})
