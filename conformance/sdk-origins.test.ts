import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Client, createClient } from '@valetkey/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { type LoopbackServer, sendJson, startLoopbackServer } from './support/http.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { attach, createProject } from './support/workspace.ts'

const key = 'the-key-of-the-weather-service'
const clock = createClock()
let broker: TestBroker
let issuer: TestIssuer
let client: Client

/** A server that remembers who came with the key. */
interface Site extends LoopbackServer {
  readonly keys: (string | undefined)[]
  answer: (request: IncomingMessage, response: ServerResponse) => unknown
}

async function startSite(): Promise<Site> {
  const site = {
    keys: [] as (string | undefined)[],
    answer: (_request: IncomingMessage, response: ServerResponse): unknown => response.end('here'),
  }
  const server = await startLoopbackServer((request, response) => {
    site.keys.push(request.headers.authorization)
    return site.answer(request, response)
  })
  return Object.assign(site, server)
}

let own: Site
let other: Site
beforeAll(async () => {
  issuer = await startIssuer(clock)
  ;[broker, own, other] = await Promise.all([
    startBroker({ clock, development: true, listen: true }),
    startSite(),
    startSite(),
  ])
  const project = await createProject(broker, issuer, 'forecast')
  await broker.manage('POST', '/v1/connect/connectors', {
    service: 'api-key',
    name: 'weather',
    data: { value: key, serviceUrls: [own.url] },
  })
  await attach(broker, 'api-key/weather', 'forecast')
  client = createClient({ url: broker.url, identity: () => project.identity(), now: clock.now })
})
afterAll(async () => {
  await broker.close()
  await Promise.all([own.close(), other.close(), issuer.close()])
})
beforeEach(() => {
  own.keys.length = 0
  other.keys.length = 0
})

const bound = () => client.createFetch('api-key/weather', { subject: { type: 'app' } })

describe('S34 a fetch that holds a token', () => {
  it('S34 sends it to the origin that the issuing point names', async () => {
    expect(await (await bound()(`${own.url}/today`)).text()).toBe('here')
    expect(own.keys).toEqual([`Bearer ${key}`])
  })

  it('S34 sends it nowhere else, though it is asked to', async () => {
    await bound()(`${other.url}/today`)
    expect(other.keys).toEqual([undefined])
  })

  it.each([301, 302, 303, 307, 308])(
    'S34 drops it when the origin redirects elsewhere by %i',
    async (status) => {
      own.answer = (_request, response) => response.writeHead(status, { location: `${other.url}/x` }).end()
      await bound()(own.url, { method: 'POST', body: 'text' })
      expect(own.keys).toEqual([`Bearer ${key}`])
      expect(other.keys).toEqual([undefined])
    },
  )

  it('S34 asks for no other token because somebody else answered 401', async () => {
    other.answer = (_request, response) => response.writeHead(401).end()
    expect((await bound()(other.url)).status).toBe(401)
    expect(other.keys).toEqual([undefined])
    expect(own.keys).toEqual([])
  })
})

describe('S23 a server that is connected by its metadata', () => {
  const good = (at: string) => ({
    issuer: at,
    authorization_endpoint: `${at}/authorize`,
    token_endpoint: `${at}/token`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
  })

  async function connect(metadata: (at: string) => object): Promise<{ status: number; text: string }> {
    const site = await startLoopbackServer((request, response) =>
      request.url?.startsWith('/.well-known/') === true
        ? sendJson(response, metadata(site.url))
        : response.writeHead(404).end(),
    )
    const data = {
      serverUrl: site.url,
      clientId: 'c',
      clientSecret: 's',
      tokenEndpointAuthMethod: 'client_secret_basic',
      userAuthorization: { enabled: true },
    }
    const body = { service: 'oauth', name: 'mcp', data }
    const { status, text } = await broker.call('POST', '/v1/connect/connectors', {
      token: broker.owner,
      body,
    })
    if (status === 201) await broker.manage('DELETE', '/v1/connect/connectors/oauth%2Fmcp')
    await site.close()
    return { status, text }
  }

  it('S23 is taken as it describes itself', async () => {
    expect((await connect(good)).status).toBe(201)
  })

  it.each([
    ['another issuer', { issuer: 'https://attacker.example' }],
    ['an issuer that its address only begins', { issuer: 'http://127.0.0.1' }],
    ['a token endpoint that is no web address', { token_endpoint: 'file:///etc/passwd' }],
    ['an authorization endpoint that is a script', { authorization_endpoint: 'javascript:alert(1)' }],
    [
      'an authorization endpoint for a shell',
      { authorization_endpoint: 'https://a.example/$(id)`id`' + '\n' },
    ],
  ])('S23 is refused when it names %s', async (_what, changes) => {
    const { status, text } = await connect((at) => ({ ...good(at), ...changes }))
    expect(status).toBe(400)
    expect(text).not.toMatch(/attacker|passwd|alert/)
  })
})
