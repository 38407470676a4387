import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningBroker, startDevelopmentBroker } from '@valetkey/broker/host'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let folder: string
let broker: RunningBroker
let port: number
let owner: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-conformance-dev-'))
  broker = await start()
})

afterAll(async () => {
  await broker.close()
  await rm(folder, { recursive: true, force: true })
})

async function start(): Promise<RunningBroker> {
  const running = await startDevelopmentBroker({ port: 0, dataDir: folder, ephemeral: false, log: () => {} })
  port = Number(new URL(running.url).port)
  owner = running.accessToken ?? ''
  return running
}

interface Reply {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
}

/** A request as a browser would send it, `Host` included, which fetch does not let one choose. */
function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, method, path, headers }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk: string) => {
        text += chunk
      })
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Bytes as they are; the first line of the answer. */
function sendRaw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(text))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''))
    socket.on('error', reject)
  })
}

const authorized = () => ({ authorization: `Bearer ${owner}` })
const paths = [
  '/v1/projects',
  '/healthz',
  '/metrics',
  '/readyz',
  '/.well-known/jwks.json',
  '/development/jwks',
  '/none',
]

function expectClosed(reply: Reply): void {
  expect(reply.status).toBe(400)
  expectNoCors(reply)
  expect(reply.text).not.toMatch(/"projects"|"keys"|valetkey_/)
}

function expectNoCors(reply: Reply): void {
  const names = Object.keys(reply.headers)
  expect(names.filter((name) => name.startsWith('access-control-') || name === 'set-cookie')).toEqual([])
}

describe('S37 the name it is called by', () => {
  it('S37 answers to its own names', async () => {
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LocalHost:${port}`, `[::1]:${port}`])
      expect((await send('GET', '/v1/projects', { ...authorized(), host })).status).toBe(200)
  })

  const strange: readonly ((port: number) => string)[] = [
    () => 'evil.example',
    (own) => `evil.example:${own}`,
    (own) => `127.0.0.1.evil.example:${own}`,
    (own) => `localhost.evil.example:${own}`,
    (own) => `evil.localhost:${own}`,
    (own) => `localhost.:${own}`,
    (own) => `127.0.0.2:${own}`,
    (own) => `0.0.0.0:${own}`,
    (own) => `2130706433:${own}`,
    (own) => `127.1:${own}`,
    (own) => `[::ffff:127.0.0.1]:${own}`,
    () => '127.0.0.1',
    () => 'localhost',
    (own) => `127.0.0.1:${own + 1}`,
    (own) => `127.0.0.1:0${own}`,
    (own) => `user@127.0.0.1:${own}`,
    (own) => `127.0.0.1:${own}, evil.example`,
    (own) => `evil.example, 127.0.0.1:${own}`,
  ]
  it.each(strange.map((host) => [host(4570), host] as const))(
    'S37 answers nothing under the name %s',
    async (_what, host) => {
      for (const path of paths) expectClosed(await send('GET', path, { ...authorized(), host: host(port) }))
    },
  )

  it('S37 a page that rebound its name is same-origin to itself, and refused all the same', async () => {
    const host = `evil.example:${port}`
    const headers = { ...authorized(), host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }
    expectClosed(await send('GET', '/v1/projects', headers))
    const body = '{"name":"rebound"}'
    expectClosed(await send('POST', '/v1/projects', { ...headers, 'content-type': 'application/json' }, body))
    // A navigation to the rebound name would make its pages same-origin with ours.
    expectClosed(await send('GET', '/v1/projects', { ...headers, 'sec-fetch-mode': 'navigate' }))
  })

  it('S37 two names, or none, are no way in', async () => {
    const token = `Authorization: Bearer ${owner}\r\nConnection: close\r\n\r\n`
    const own = `127.0.0.1:${port}`
    for (const text of [
      `GET /v1/projects HTTP/1.1\r\nHost: evil.example\r\nHost: ${own}\r\n${token}`,
      `GET /v1/projects HTTP/1.1\r\n${token}`,
      `GET /v1/projects HTTP/1.1\r\nHost: \r\n${token}`,
    ])
      expect(await sendRaw(text)).toMatch(/^HTTP\/1\.1 400/)
  })

  it('S37 is not there on any other address of this machine', async () => {
    const addresses = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter((each) => !each.internal && each.family === 'IPv4')
    for (const { address } of addresses) {
      const reached = await new Promise<boolean>((resolve) => {
        const socket = connect(port, address, () => resolve(true))
        socket.on('error', () => resolve(false))
        socket.setTimeout(1_000, () => resolve(false))
      })
      expect(reached).toBe(false)
    }
  })
})

describe('S37 the page it is called from', () => {
  const origins: readonly ((port: number) => string)[] = [
    () => 'https://evil.example',
    () => 'null',
    () => 'file://',
    () => 'http://localhost',
    () => 'http://127.0.0.1',
    (own) => `http://127.0.0.1:${own + 1}`,
    (own) => `https://127.0.0.1:${own}`,
    (own) => `http://127.0.0.1:${own}.evil.example`,
    (own) => `http://evil.example:${own}`,
    (own) => `http://127.0.0.1:${own}/`,
    (own) => `http://127.0.0.1:${own} https://evil.example`,
    () => 'chrome-extension://abcdefghijklmnop',
    () => '',
  ]
  it.each(origins.map((origin) => [origin(4570), origin] as const))(
    'S37 takes nothing from a page of %j',
    async (_what, of) => {
      const origin = of(port)
      for (const path of paths) expectClosed(await send('GET', path, { ...authorized(), origin }))
      const json = { ...authorized(), origin, 'content-type': 'application/json' }
      for (const method of ['POST', 'DELETE', 'PATCH', 'PUT', 'OPTIONS'])
        expectClosed(
          await send(method, '/v1/projects', json, method === 'OPTIONS' ? undefined : '{"name":"page"}'),
        )
    },
  )

  it.each(['cross-site', 'same-site'])('S37 takes nothing that is %s, but a navigation', async (site) => {
    const headers = { ...authorized(), 'sec-fetch-site': site }
    for (const mode of ['cors', 'no-cors', 'websocket', 'same-origin'])
      for (const path of paths) expectClosed(await send('GET', path, { ...headers, 'sec-fetch-mode': mode }))
    expectClosed(await send('GET', '/healthz', headers))
    // A form sent across sites is a navigation too, and not a GET.
    const form = {
      ...headers,
      'sec-fetch-mode': 'navigate',
      'content-type': 'application/x-www-form-urlencoded',
    }
    expectClosed(await send('POST', '/v1/projects', form, 'name=form'))
    const json = { ...form, 'content-type': 'application/json' }
    expectClosed(await send('POST', '/v1/projects', json, '{"name":"navigated"}'))
    const { authorization: _, ...bare } = headers
    const navigation = await send('GET', '/v1/projects', { ...bare, 'sec-fetch-mode': 'navigate' })
    // It reaches the broker, without a credential: nothing a browser sends by itself is one.
    expect(navigation.status).toBe(401)
    expectNoCors(navigation)
  })

  it('S37 takes what its own origin, or no page at all, sends', async () => {
    for (const headers of [
      { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' },
      { origin: `http://localhost:${port}`, host: `localhost:${port}` },
      { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' },
      {},
    ])
      expect((await send('GET', '/v1/projects', { ...authorized(), ...headers })).status).toBe(200)
  })

  it('S37 sends no CORS header, to anyone', async () => {
    const preflight = {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
      'access-control-request-private-network': 'true',
    }
    for (const path of paths) {
      const reply = await send('OPTIONS', path, preflight)
      expect(reply.status).toBeGreaterThanOrEqual(400)
      expectNoCors(reply)
      for (const method of ['GET', 'HEAD', 'OPTIONS']) expectNoCors(await send(method, path, authorized()))
    }
  })

  it('S37 reads no cookie', async () => {
    const cookie = [`token=${owner}`, `authorization=Bearer ${owner}`, `accessToken=${owner}`, owner].join(
      '; ',
    )
    const reply = await send('GET', '/v1/projects', { cookie })
    expect(reply.status).toBe(401)
    expectNoCors(reply)
    const query = await send('GET', `/v1/projects?access_token=${owner}&token=${owner}`)
    expect(query.status).toBe(401)
  })

  it('S37 takes no body that a page could send without a preflight', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'text/plain; a=application/json',
    ])
      expect(
        (await send('POST', '/v1/projects', { ...authorized(), 'content-type': type }, '{"name":"x"}'))
          .status,
      ).toBe(400)
    expect((await send('POST', '/v1/projects', authorized(), '{"name":"x"}')).status).toBe(400)
    const listed = await send('GET', '/v1/projects', authorized())
    expect(JSON.parse(listed.text)).toMatchObject({ projects: [] })
  })
})

describe('S37 its owner’s token', () => {
  it('S37 is new at every start, and the old one is worth nothing', async () => {
    const old = owner
    await broker.close()
    broker = await start()
    expect(owner).not.toBe(old)
    expect((await send('GET', '/v1/projects', { authorization: `Bearer ${old}` })).status).toBe(401)
    expect((await send('GET', '/v1/projects', authorized())).status).toBe(200)
  })
})
