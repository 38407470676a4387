import { createHash } from 'node:crypto'
import { verifyWebhook } from '@valetkey/sdk/webhooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import {
  type Began,
  type ConsentApp,
  createConsentApp,
  parametersOf,
  postForm,
  returnedCode,
  returnUrl,
  startWebhook,
  until,
  user,
} from './support/consent.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { attach } from './support/workspace.ts'

const clock = createClock()
const redirectUri = 'https://app.example/signed-in'
const verifier = 'v'.repeat(43)
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
let webhook: Awaited<ReturnType<typeof startWebhook>>
let app: ConsentApp
let waiting: Began & { readonly code: string }

const kinds = [
  'platform identity',
  'development identity',
  'workload access token',
  'operator access token',
  'gateway access token',
  'gateway ID token',
  'attestation',
  'checkpoint',
  'provider access token',
  'consent verifier',
] as const
type Kind = (typeof kinds)[number]
const tokens = {} as Record<Kind, string>

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  webhook = await startWebhook()
  broker = await startBroker({ clock, revocationEveryMs: 20 })
  app = await createConsentApp(broker, issuer, provider, {
    name: 'app',
    attachment: { redirectUris: [redirectUri] },
  })
  await broker
    .manage('PATCH', '/v1/projects/app', { allowDevelopmentIdentities: true })
    .catch(() => undefined)
  await collect()
})
afterAll(async () => {
  await broker.close()
  await webhook.close()
  await provider.close()
  await issuer.close()
})

/** One token of each kind, all of the same workload as far as they are anybody's. */
async function collect(): Promise<void> {
  tokens['platform identity'] = await app.identity()
  tokens['operator access token'] = broker.owner
  await broker.manage('POST', '/v1/projects', { name: 'laptop', allowDevelopmentIdentities: true })
  await attach(broker, app.connector, 'laptop', { environments: ['development'], subjects: ['user'] })
  const development = { environment: 'development' }
  const minted = await broker.manage('POST', '/v1/projects/laptop/development-identities', development)
  tokens['development identity'] = String(minted.token)
  const place = { project: 'app', environment: 'production' }
  tokens['workload access token'] = String((await broker.manage('POST', '/v1/access-tokens', place)).token)
  tokens.checkpoint = String((await broker.manage('POST', '/v1/audit/checkpoint')).checkpoint)

  const began = await app.begin('ann', { returnUrl, webhook: webhook.url })
  tokens['consent verifier'] = began.verifier
  const browser = createBrowser(broker)
  const back = await browser.open(provider.agree(await browser.leave(began.url), 'ann'))
  waiting = { ...began, code: returnedCode(back.to) }
  await until('the webhook was told', () => webhook.received.length > 0)
  tokens.attestation = webhook.received[0]?.authorization.replace('Bearer ', '') ?? ''

  await app.connect('ben', createBrowser(broker))
  tokens['provider access token'] = String((await app.token('ben')).body.token)
  const redeemed = await redeem(await signIn(), await app.identity())
  tokens['gateway access token'] = String(redeemed.body.access_token)
  tokens['gateway ID token'] = String(redeemed.body.id_token)
}

/** Signs somebody in, up to the code. */
async function signIn(): Promise<string> {
  const query = new URLSearchParams({
    client_id: app.connector,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const browser = createBrowser(broker)
  const begun = await browser.open(`/oauth/authorize?${query}`)
  const back = await browser.open(provider.agree(await browser.leave(begun.to ?? ''), 'signer'))
  return parametersOf(back.to).code ?? ''
}

const redeem = (code: string, secret: string, how: 'client_secret' | 'client_assertion' = 'client_secret') =>
  postForm(broker, '/oauth/token', {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    client_id: app.connector,
    [how]: secret,
    ...(how === 'client_assertion'
      ? { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }
      : {}),
  })

const tokenPath = () => `/v1/connect/token/${encodeURIComponent(app.connector)}`
const exchange = (subjectToken: string, type: 'id_token' | 'jwt') =>
  postForm(broker, '/oauth/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subjectToken,
    subject_token_type: `urn:ietf:params:oauth:token-type:${type}`,
    audience: app.connector,
    requested_subject: 'ben',
  })

/** Whether a token opens an entrance. */
const entrances: Readonly<
  Record<string, { readonly opens: (token: string) => Promise<boolean>; readonly to: readonly Kind[] }>
> = {
  'a token request': {
    opens: async (token) =>
      (await broker.call('POST', tokenPath(), { token, body: { subject: user('ben') } })).status === 200,
    to: ['platform identity', 'workload access token'],
  },
  'beginning a consent': {
    opens: async (token) => {
      const body = { subject: user('cat'), binding: 'complete' }
      const path = `/v1/connect/authorize/${encodeURIComponent(app.connector)}`
      return (await broker.call('POST', path, { token, body })).status === 200
    },
    // A development identity begins one for its own project, which is `laptop`.
    to: ['platform identity', 'workload access token', 'development identity'],
  },
  'the status of a request': {
    opens: async (token) => {
      const path = `/v1/connect/requests/${waiting.request}/status`
      return (await broker.call('POST', path, { token, body: { verifier: waiting.verifier } })).status === 200
    },
    to: ['platform identity', 'workload access token'],
  },
  'the subject token of an exchange, as an ID token': {
    opens: async (token) => (await exchange(token, 'id_token')).status === 200,
    to: ['platform identity'],
  },
  'the subject token of an exchange, as a JWT': {
    opens: async (token) => (await exchange(token, 'jwt')).status === 200,
    to: ['platform identity'],
  },
  management: {
    opens: async (token) => (await broker.call('GET', '/v1/projects', { token })).status === 200,
    to: ['operator access token'],
  },
  'the gateway, as the client’s secret': {
    opens: async (token) => (await redeem(await signIn(), token)).status === 200,
    to: ['platform identity', 'workload access token'],
  },
  'the gateway, as the client’s assertion': {
    opens: async (token) => (await redeem(await signIn(), token, 'client_assertion')).status === 200,
    to: ['platform identity'],
  },
  'the client of a revocation': {
    opens: async (token) =>
      (
        await postForm(broker, '/oauth/revoke', {
          token: 'none',
          client_id: app.connector,
          client_secret: token,
        })
      ).status === 200,
    to: ['platform identity', 'workload access token', 'development identity'],
  },
  userinfo: {
    opens: async (token) =>
      (await broker.call('GET', '/oauth/userinfo', { headers: { authorization: `Bearer ${token}` } }))
        .status === 200,
    to: ['gateway access token'],
  },
  'the tail of the audit trail': {
    opens: async (token) => {
      const answer = await broker.manage('POST', '/v1/audit/verify', { checkpoints: [token] })
      return answer.valid === true && answer.tail === 'proven'
    },
    to: ['checkpoint'],
  },
  'a webhook of the app': {
    opens: async (token) => {
      const [told] = webhook.received
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const request = new Request(webhook.url, { method: 'POST', headers, body: told?.body ?? '' })
      const fetch: typeof globalThis.fetch = (input, init) => broker.fetch(new Request(input, init))
      const options = { project: 'app', environment: 'production', url: broker.url, now: clock.now, fetch }
      const verified = await verifyWebhook(request, { ...options, seen: () => false }).catch(
        (error: Error) => error,
      )
      return !(verified instanceof Error)
    },
    to: ['attestation'],
  },
}

describe('S38 each kind of token opens its own entrances and no other', () => {
  it('S38 there is one of each', () => {
    for (const kind of kinds) expect(tokens[kind]?.length).toBeGreaterThan(20)
    expect(new Set(Object.values(tokens)).size).toBe(kinds.length)
  })

  it.each(Object.keys(entrances))('S38 %s', async (name) => {
    const entrance = entrances[name]
    if (entrance === undefined) throw new Error('No such entrance')
    const opened: Kind[] = []
    for (const kind of kinds) if (await entrance.opens(tokens[kind])) opened.push(kind)
    expect(opened.sort()).toEqual([...entrance.to].sort())
  })

  it('S38 nothing but its own code completes a consent, and none of the others uses it up', async () => {
    const began = await app.begin('dan')
    const browser = createBrowser(broker)
    const code = returnedCode((await browser.open(provider.agree(await browser.leave(began.url), 'dan'))).to)
    const gatewayCode = await signIn()
    const wrong = [...Object.values(tokens).slice(0, 5), gatewayCode, gatewayCode.split('.')[1] ?? '']
    for (const other of wrong) expect((await app.complete(began, other, user('dan'))).status).toBe(400)
    // A code of the gateway is completed by the gateway alone, and a code of a consent never there.
    const [request = '', secret = ''] = gatewayCode.split('.')
    expect((await app.complete({ request, verifier: secret }, secret, null)).status).toBe(403)
    const crossed = await redeem(`${began.request}.${code}`, await app.identity())
    expect(crossed).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await app.complete(began, code, user('dan'))).status).toBe(200)
  })

  it('S38 every meaning has a key of its own, and each is published where it is verified', async () => {
    const keysAt = async (path: string) => {
      const { keys } = (await broker.call('GET', path)).body as { keys: { kid: string; x: string }[] }
      return keys
    }
    const [wellKnown, development, gateway] = [
      await keysAt('/.well-known/jwks.json'),
      await keysAt('/development/jwks'),
      await keysAt('/oauth/jwks'),
    ]
    expect([wellKnown.length, development.length, gateway.length]).toEqual([2, 1, 1])
    const all = [...wellKnown, ...development, ...gateway]
    expect(new Set(all.map(({ x }) => x)).size).toBe(4)
    expect(new Set(all.map(({ kid }) => kid)).size).toBe(4)
    for (const key of all) expect(key).not.toHaveProperty('d')
  })

  it.each(['at+jwt', 'vk-signin+jwt', 'vk-trigger+jwt', 'vk-id+jwt', 'vk-checkpoint+jwt', 'JWT', undefined])(
    'S38 a token of the type %s that somebody else signed in the broker’s name opens nothing',
    async (typ) => {
      const claims = JSON.parse(
        Buffer.from(tokens['gateway access token'].split('.')[1] ?? '', 'base64url').toString(),
      )
      const forged = await issuer.sign(claims, typ === undefined ? {} : { header: { typ } })
      for (const { opens } of Object.values(entrances)) expect(await opens(forged)).toBe(false)
    },
  )
})
