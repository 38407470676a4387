import { createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { type LoopbackServer, sendJson, startLoopbackServer } from './support/http.ts'
import { type Misbehaviour, startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
const opened: { close: () => Promise<void> }[] = []

beforeAll(async () => {
  broker = await startBroker({ clock, drivers: [provider.driver] })
  await createVault(broker, 'issuers')
})

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
})

afterAll(() => broker.close())

let projects = 0

/** An issuer of its own for each test, because keys are kept by issuer; and a project that trusts it. */
async function trustedIssuer(): Promise<{ issuer: TestIssuer; identity: () => Promise<string> }> {
  const issuer = await startIssuer(clock)
  opened.push(issuer)
  projects += 1
  const name = `issuer-${projects}`
  const { identity } = await createProject(broker, issuer, name)
  await attach(broker, 'vault/issuers', name)
  return { issuer, identity }
}

async function witness(): Promise<LoopbackServer & { readonly seen: string[] }> {
  const seen: string[] = []
  const server = await startLoopbackServer((request, response) => {
    seen.push(request.url ?? '')
    sendJson(response, { keys: [] })
  })
  opened.push(server)
  return { ...server, seen }
}

describe('S13 asking an issuer for its keys', () => {
  it('S13 asks an issuer that no rule names for nothing at all', async () => {
    const stranger = await startIssuer(clock)
    opened.push(stranger)
    await trustedIssuer()
    for (let index = 0; index < 20; index += 1) {
      const answer = await broker.ask('vault/issuers', await stranger.identity(broker.url))
      expect(answer).toMatchObject({ status: 401, code: 'identity_invalid' })
    }
    expect(stranger.requests).toEqual([])
  })

  it('S13 asks a trusted issuer once for many identities at the same time', async () => {
    const { issuer, identity } = await trustedIssuer()
    const tokens = await Promise.all(Array.from({ length: 20 }, identity))
    const answers = await Promise.all(tokens.map((token) => broker.ask('vault/issuers', token)))
    expect(answers.map((answer) => answer.status)).toEqual(tokens.map(() => 200))
    expect(issuer.requests).toEqual(['/.well-known/openid-configuration', '/keys'])
  })

  it('S13 a key miss can not be used to hammer the issuer', async () => {
    const { issuer, identity } = await trustedIssuer()
    expect((await broker.ask('vault/issuers', await identity())).status).toBe(200)
    clock.advance(31_000)
    const claims = issuer.claims(broker.url)
    const forged = await Promise.all(
      Array.from({ length: 200 }, (_, index) => issuer.sign(claims, { header: { kid: `unknown-${index}` } })),
    )
    const answers = await Promise.all(forged.map((token) => broker.ask('vault/issuers', token)))
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([401]))
    // The first look, and one more for all of the 200.
    expect(issuer.requests).toHaveLength(4)
    for (let index = 0; index < 20; index += 1) {
      clock.advance(1_000)
      await broker.ask('vault/issuers', await issuer.sign(claims, { header: { kid: `later-${index}` } }))
    }
    expect(issuer.requests).toHaveLength(4)
  })

  it('S13 takes a rotated key, and no longer the old one', async () => {
    const { issuer, identity } = await trustedIssuer()
    const old = await identity()
    expect((await broker.ask('vault/issuers', old)).status).toBe(200)
    await issuer.rotate()
    clock.advance(31_000)
    expect((await broker.ask('vault/issuers', await identity())).status).toBe(200)
    expect((await broker.ask('vault/issuers', old)).code).toBe('identity_invalid')
  })

  it('S13 an issuer that is down is asked once for a burst, and again after a while', async () => {
    const { issuer, identity } = await trustedIssuer()
    issuer.misbehave.discovery = (response) => sendJson(response, {}, 500)
    const tokens = await Promise.all(Array.from({ length: 50 }, identity))
    for (const answer of await Promise.all(tokens.map((token) => broker.ask('vault/issuers', token))))
      expect(answer).toMatchObject({ status: 503, code: 'unavailable' })
    expect(issuer.requests).toHaveLength(1)
    for (const token of tokens.slice(0, 10))
      expect((await broker.ask('vault/issuers', token)).code).toBe('unavailable')
    expect(issuer.requests).toHaveLength(1)
    clock.advance(5_001)
    delete issuer.misbehave.discovery
    expect((await broker.ask('vault/issuers', tokens[0] ?? '')).status).toBe(200)
  })

  const padding = 'x'.repeat(600_000)
  /** Each is true but for one thing, so that it is this thing for which it is refused. */
  const lies: readonly (readonly [
    string,
    { discovery?: (url: string) => Misbehaviour; keys?: (good: object) => Misbehaviour },
  ])[] = [
    [
      'names another issuer',
      { discovery: (url) => document({ issuer: `${url}/other`, jwks_uri: `${url}/keys` }) },
    ],
    [
      'names itself with a slash',
      { discovery: (url) => document({ issuer: `${url}/`, jwks_uri: `${url}/keys` }) },
    ],
    ['names no issuer', { discovery: (url) => document({ jwks_uri: `${url}/keys` }) }],
    ['names no keys', { discovery: (url) => document({ issuer: url }) }],
    ['has keys in a file', { discovery: (url) => document({ issuer: url, jwks_uri: 'file:///etc/passwd' }) }],
    [
      'has keys in a data URL',
      { discovery: (url) => document({ issuer: url, jwks_uri: 'data:,{"keys":[]}' }) },
    ],
    [
      'has keys at the metadata address',
      { discovery: (url) => document({ issuer: url, jwks_uri: 'https://169.254.169.254/keys' }) },
    ],
    [
      'has keys in a private network',
      { discovery: (url) => document({ issuer: url, jwks_uri: 'https://10.0.0.1/keys' }) },
    ],
    [
      'offers HS256 only',
      {
        discovery: (url) =>
          document({ ...named(url), id_token_signing_alg_values_supported: ['HS256', 'none'] }),
      },
    ],
    ['is no JSON', { discovery: () => (response) => response.end('<html>') }],
    ['is a list', { discovery: () => document([]) }],
    ['is huge', { discovery: (url) => document({ ...named(url), padding }) }],
    ['has huge keys', { keys: (good) => document({ keys: [good], padding }) }],
    ['has endless keys', { keys: () => endless }],
    ['has no keys', { keys: () => document({ keys: [] }) }],
    ['has a key set of another form', { keys: (good) => document({ keys: { 0: good, length: 1 } }) }],
    [
      'has a thousand keys',
      {
        keys: (good) => document({ keys: [...Array.from({ length: 1000 }, () => ({ kty: 'EC' })), good] }),
      },
    ],
    ['has keys for encryption', { keys: (good) => document({ keys: [{ ...good, use: 'enc' }] }) }],
    ['has private keys', { keys: (good) => document({ keys: [{ ...good, d: 'c2VjcmV0' }] }) }],
    [
      'has symmetric keys',
      { keys: () => document({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'ES256-1' }] }) },
    ],
    ['is not found', { discovery: () => (response) => sendJson(response, {}, 404) }],
  ]

  it.each(lies)('S13 accepts nothing from an issuer whose document %s', async (_what, lie) => {
    const { issuer, identity } = await trustedIssuer()
    if (lie.discovery !== undefined) issuer.misbehave.discovery = lie.discovery(issuer.url)
    if (lie.keys !== undefined) issuer.misbehave.keys = lie.keys(issuer.publicJwk('ES256'))
    const before = provider.mints.length
    const answer = await broker.ask('vault/issuers', await identity())
    expect(answer).toMatchObject({ status: 503, code: 'unavailable' })
    expect(provider.mints).toHaveLength(before)
  })

  it.each([301, 302, 303, 307, 308])('S13 does not follow a redirect with %i', async (status) => {
    for (const name of ['discovery', 'keys'] as const) {
      const elsewhere = await witness()
      const { issuer, identity } = await trustedIssuer()
      issuer.misbehave[name] = (response) =>
        response.writeHead(status, { location: `${elsewhere.url}/moved` }).end()
      expect((await broker.ask('vault/issuers', await identity())).code).toBe('unavailable')
      expect(elsewhere.seen).toEqual([])
    }
  })

  it('S13 gives up on an issuer that never answers', async () => {
    const { issuer, identity } = await trustedIssuer()
    issuer.misbehave.discovery = () => {}
    const started = performance.now()
    const answer = await broker.ask('vault/issuers', await identity())
    expect(answer).toMatchObject({ status: 503, code: 'unavailable' })
    expect(performance.now() - started).toBeLessThan(12_000)
  })

  it('S13 gives up on an issuer that drips', async () => {
    const { issuer, identity } = await trustedIssuer()
    issuer.misbehave.keys = (response) => {
      const timer = setInterval(() => response.write(' '), 100)
      response.on('close', () => clearInterval(timer))
    }
    const started = performance.now()
    expect((await broker.ask('vault/issuers', await identity())).status).toBe(503)
    expect(performance.now() - started).toBeLessThan(12_000)
  })

  it('S13 says the same of an issuer whatever is wrong with it', async () => {
    const messages = new Set<string | undefined>()
    for (const discovery of [document([]), document({ issuer: 'https://secret-host.example' })]) {
      const { issuer, identity } = await trustedIssuer()
      issuer.misbehave.discovery = discovery
      messages.add((await broker.ask('vault/issuers', await identity())).message)
    }
    expect(messages.size).toBe(1)
    expect([...messages][0]).not.toContain('secret-host')
  })
})

describe('S13 a broker in production', () => {
  let server: TestBroker
  let listener: Server
  let connections = 0
  let port = 0

  beforeAll(async () => {
    server = await startBroker({ clock, drivers: [provider.driver], egressAllow: [] })
    await server.manage('POST', '/v1/projects', { name: 'inside' })
    listener = createServer((socket) => {
      connections += 1
      socket.destroy()
    })
    await new Promise<void>((resolve) => listener.listen(0, resolve))
    const address = listener.address()
    port = typeof address === 'object' && address !== null ? address.port : 0
  })

  afterAll(async () => {
    await server.close()
    await new Promise((resolve) => listener.close(resolve))
  })

  const addRule = (issuer: string) =>
    server.call('POST', '/v1/projects/inside/trust', {
      token: server.owner,
      body: { environment: 'production', issuer, claims: { sub: 'workload:inside' } },
    })

  it('S13 takes no issuer over http, on loopback neither', async () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', 'issuer.example'])
      expect((await addRule(`http://${host}:${port}`)).code).toBe('invalid_request')
  })

  it.each([
    '127.0.0.1',
    'localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '0.0.0.0',
    '[::]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
  ])('S13 never connects to an issuer on this machine spelt %s', async (host) => {
    const issuer = `https://${host}:${port}`
    const stranger = await startIssuer(clock)
    opened.push(stranger)
    // Writing the rule may be refused already; if not, the connection must be.
    if ((await addRule(issuer)).status === 201) {
      const identity = await stranger.identity(server.url, { iss: issuer, sub: 'workload:inside' })
      expect(await server.ask('vault/x', identity)).toMatchObject({ status: 503, code: 'unavailable' })
    }
    expect(connections).toBe(0)
  })
})

function named(url: string): Record<string, unknown> {
  return { issuer: url, jwks_uri: `${url}/keys` }
}

function document(value: unknown): Misbehaviour {
  return (response) => sendJson(response, value)
}

function endless(response: Parameters<Misbehaviour>[0]): void {
  const chunk = `"${'x'.repeat(65_536)}",`
  response.write('{"keys":[')
  const pour = () => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', pour)
  }
  pour()
}
