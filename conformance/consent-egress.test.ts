import { createServer } from 'node:net'
import { createBroker } from '@valetkey/broker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { type LogLine, startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import {
  type ConsentApp,
  connectorData,
  createConsentApp,
  startWebhook,
  until,
  user,
} from './support/consent.ts'
import { sendJson, startLoopbackServer } from './support/http.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { attach } from './support/workspace.ts'

const clock = createClock()
let issuer: TestIssuer
let provider: AuthorizationServer

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
})
afterAll(async () => {
  await provider.close()
  await issuer.close()
})

/** Counts connections on every loopback address, whatever is spoken over them. */
async function startListener() {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '::', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => connections,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

/** Hosts that no call of a server may reach, in every spelling. */
const forbidden: readonly string[] = [
  '127.0.0.1',
  'localhost',
  'LOCALHOST',
  'localhost.',
  '127.1',
  '127.0.0.2',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0177.0.0.1',
  '017700000001',
  '0.0.0.0',
  '0',
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '169.254.169.254',
  '2852039166',
  '0xa9fea9fe',
  '[::ffff:169.254.169.254]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  'metadata.google.internal',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '192.0.2.1',
  '[fc00::1]',
  '224.0.0.1',
  '255.255.255.255',
  '①②⑦.0.0.1',
]

/** Whether these names resolve at all depends on the machine. */
const mayBeUnknown = (host: string) => host.startsWith('metadata.') || host === 'localhost.'

describe('S22 a server calls public addresses only', () => {
  let broker: TestBroker
  let app: ConsentApp
  let listener: Awaited<ReturnType<typeof startListener>>

  beforeAll(async () => {
    listener = await startListener()
    // The provider and the issuer have to be reached; the listener has another port.
    const allow = [issuer, provider].map(({ url }) => new URL(url).host)
    broker = await startBroker({ clock, egressAllow: allow, revocationEveryMs: 20 })
    app = await createConsentApp(broker, issuer, provider, { name: 'app' })
  })
  afterAll(async () => {
    await broker.close()
    await listener.close()
  })

  const undelivered = (request: string) => (line: LogLine) =>
    line.message === 'a consent webhook could not be told' && line.fields.request === request

  it.each(forbidden)('S22 no webhook at %s is called', async (host) => {
    const path = `/v1/connect/authorize/${encodeURIComponent(app.connector)}`
    const webhook = `https://${host}:${listener.port}/hook`
    const began = await app.call('POST', path, { subject: user('ann'), binding: 'complete', webhook })
    if (began.status === 400) {
      expect(began.message).toContain('webhook')
    } else {
      const request = String(began.body.request)
      await createBrowser(broker).submit(String(began.body.url), { action: 'cancel' })
      await until('the webhook was given up', () => broker.logs.some(undelivered(request)))
      const fault = broker.logs.find(undelivered(request))?.fields.fault
      expect(['EgressRefused', ...(mayBeUnknown(host) ? ['TypeError'] : [])]).toContain(fault)
    }
    expect(listener.connections()).toBe(0)
  })

  it.each(forbidden)('S22 no provider at %s is asked', async (host) => {
    const made = (data: object) =>
      broker.call('POST', '/v1/connect/connectors', {
        token: broker.owner,
        body: { service: 'oauth', name: 'inward', data: { ...connectorData(provider), ...data } },
      })
    // By discovery, and by endpoints entered by hand, which are first called for a token.
    const place = `${host}:${listener.port}`
    const discovered = await made({ serverUrl: `https://${place}` })
    expect(discovered.status).toBeGreaterThanOrEqual(400)
    if (!mayBeUnknown(host)) expect(discovered.message).toContain('Refused to call')
    expect((await made({ serverUrl: `http://${place}` })).status).toBeGreaterThanOrEqual(400)
    const byHand = await made({
      serverUrl: undefined,
      serverConfig: { tokenEndpoint: `https://${place}/token` },
      userAuthorization: undefined,
      clientCredentials: { scopes: ['read'] },
    })
    if (byHand.status === 201) {
      await attach(broker, 'oauth/inward', app.project, { subjects: ['app'] })
      const asked = await app.call('POST', '/v1/connect/token/oauth%2Finward', { subject: { type: 'app' } })
      expect(asked.status).toBeGreaterThanOrEqual(400)
      expect(asked.body.token).toBeUndefined()
      await broker.manage('DELETE', '/v1/connect/connectors/oauth%2Finward')
    }
    expect(listener.connections()).toBe(0)
  })

  it.each(['169.254.169.254', '0.0.0.0/0'])('S22 no setting opens %s', async (entry) => {
    const keys = `k1:${Buffer.alloc(32, 1).toString('base64')}`
    const config = {
      publicUrl: 'https://broker.example',
      // Refused before it is opened.
      database: { folder: '/nowhere/at/all' },
      keys,
      egressAllow: [entry],
    } as const
    await expect(createBroker(config).start()).rejects.toThrow('VALETKEY_EGRESS_ALLOW')
  })
})

describe('S22 what a called address can do to the broker', () => {
  let broker: TestBroker
  let app: ConsentApp
  beforeAll(async () => {
    broker = await startBroker({ clock, revocationEveryMs: 20 })
    app = await createConsentApp(broker, issuer, provider, { name: 'app' })
  })
  afterAll(() => broker.close())

  it('S22 a webhook that redirects leads nowhere', async () => {
    const [webhook, elsewhere] = [await startWebhook(), await startWebhook()]
    webhook.next.redirectTo = elsewhere.url
    const began = await app.begin('ann', { webhook: webhook.url })
    await createBrowser(broker).submit(began.url, { action: 'cancel' })
    await until('the webhook was told', () =>
      broker.logs.some((line) => line.fields.request === began.request && line.fields.fault === 'status 307'),
    )
    expect(webhook.received.length).toBeGreaterThan(0)
    expect(elsewhere.received).toEqual([])
    await webhook.close()
    await elsewhere.close()
  })

  it.each([301, 302, 303, 307, 308])(
    'S22 a token endpoint that answers %s is not followed, with the secret or without',
    async (status) => {
      const seen: string[] = []
      const elsewhere = await startLoopbackServer((request, response) => {
        seen.push(request.url ?? '')
        sendJson(response, { access_token: 'stolen', token_type: 'Bearer' })
      })
      const moved = await startLoopbackServer((_request, response) =>
        response.writeHead(status, { location: `${elsewhere.url}/token` }).end(),
      )
      const name = `moved-${status}`
      await broker.manage('POST', '/v1/connect/connectors', {
        service: 'oauth',
        name,
        data: {
          clientId: 'c',
          clientSecret: 'a-secret',
          serverConfig: { tokenEndpoint: `${moved.url}/token` },
          clientCredentials: { scopes: ['read'] },
        },
      })
      await attach(broker, `oauth/${name}`, app.project, { subjects: ['app'] })
      const answer = await app.call('POST', `/v1/connect/token/oauth%2F${name}`, { subject: { type: 'app' } })
      expect(answer).toMatchObject({ status: 502, code: 'provider_error' })
      expect(seen).toEqual([])
      await moved.close()
      await elsewhere.close()
    },
  )

  it('S22 an answer without end costs the broker no more than its limit, and is an error', async () => {
    let sent = 0
    const began = await app.begin('ben')
    const browser = createBrowser(broker)
    const left = await browser.leave(began.url)
    provider.next.redemption = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = () => {
        if (response.destroyed) return
        sent += 65_536
        response.write('a'.repeat(65_536), () => setImmediate(more))
      }
      more()
    }
    const back = await browser.open(provider.agree(left, 'ben'))
    expect(back.to).toContain('error=provider_error')
    expect(sent).toBeLessThan(16_777_216)
    expect(await app.status(began)).toBe('error')
  })

  it('S22 an answer that never comes is an error in time', async () => {
    const began = await app.begin('cat')
    const browser = createBrowser(broker)
    const left = await browser.leave(began.url)
    provider.next.redemption = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{')
    }
    const from = performance.now()
    const back = await browser.open(provider.agree(left, 'cat'))
    expect(performance.now() - from).toBeLessThan(15_000)
    expect(back.to).toContain('error=provider_error')
  })
})
