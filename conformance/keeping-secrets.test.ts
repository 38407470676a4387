import { randomBytes } from 'node:crypto'
import { drivers as builtInDrivers } from '@valetkey/connectors'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type CallOptions, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { appKeyPem, startGitHub, type TestGitHub } from './support/github.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider, upstreamFault } from './support/provider.ts'
import { attach, createProject } from './support/workspace.ts'

// One long scenario with secrets that can be recognised; afterwards everything that was said is searched for them.
const clock = createClock()
const provider = createProvider(clock)
const mark = (name: string) => `${name}-${randomBytes(12).toString('hex')}`
const secrets: Record<string, string> = {
  apiKey: mark('api-key'),
  secondApiKey: mark('second-api-key'),
  clientSecret: mark('client-secret'),
  webhookSecret: mark('webhook-secret'),
  vaultSecret: mark('vault-secret'),
  newVaultSecret: mark('new-vault-secret'),
  upstreamToken: mark('upstream-token'),
  claim: mark('claim'),
  misplaced: mark('misplaced'),
  errorMessage: mark('error-message'),
  errorFrame: mark('error-frame'),
  // A line of the key in the middle of its PEM.
  privateKey: appKeyPem.split('\n')[5] ?? 'no key',
}
/** Every answer, with the secrets that it is there to give. */
const answers: { readonly what: string; readonly text: string; readonly gives: readonly string[] }[] = []
let broker: TestBroker
let issuer: TestIssuer
let github: TestGitHub
let identity: string

async function say(
  method: string,
  path: string,
  options: CallOptions = {},
  gives: string[] = [],
): Promise<Answer> {
  const answer = await broker.call(method, path, options)
  const headers = JSON.stringify([...answer.headers])
  answers.push({ what: `${method} ${path}`, text: `${headers}\n${answer.text}`, gives })
  return answer
}

const asOwner = (method: string, path: string, body?: unknown) =>
  say(method, path, { token: broker.owner, body })

async function askFor(
  uid: string,
  name: string,
  request: unknown = { subject: { type: 'app' } },
): Promise<Answer> {
  const path = `/v1/connect/token/${encodeURIComponent(uid)}`
  const answer = await say('POST', path, { token: identity, body: request }, [name])
  const { token } = answer.body
  if (typeof token === 'string') secrets[name] = token
  return answer
}

beforeAll(async () => {
  issuer = await startIssuer(clock)
  github = await startGitHub(clock)
  broker = await startBroker({ clock, drivers: [...builtInDrivers, provider.driver] })
  identity = await (await createProject(broker, issuer, 'one')).identity()
  secrets.owner = broker.owner
  secrets.identity = identity
  secrets.identitySignature = identity.split('.')[2] ?? ''
  await scenario()
  await mistakes()
  await looking()
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
  await github.close()
})

async function scenario(): Promise<void> {
  const connectors = [
    {
      service: 'api-key',
      name: 'search',
      data: { value: secrets.apiKey, serviceUrls: ['https://api.example'] },
    },
    {
      service: 'github',
      name: 'bot',
      data: {
        appId: 7,
        privateKeyPem: appKeyPem,
        apiUrl: github.url,
        clientSecret: secrets.clientSecret,
        webhookSecret: secrets.webhookSecret,
      },
    },
    { service: 'vault', name: 'main', data: { secret: secrets.vaultSecret } },
  ]
  for (const connector of connectors) {
    expect((await asOwner('POST', '/v1/connect/connectors', connector)).status).toBe(201)
    await attach(broker, `${connector.service}/${connector.name}`, 'one', { fullAccess: true })
  }
  expect((await askFor('api-key/search', 'apiKey')).status).toBe(200)
  expect(
    (await askFor('github/bot', 'githubToken', { subject: { type: 'app' }, installationId: '100' })).status,
  ).toBe(200)
  expect((await askFor('vault/main', 'vaultToken')).status).toBe(200)
  const { upstreamToken, claim } = secrets
  await askFor('vault/main', 'exchanged', { subject: { type: 'token', token: upstreamToken } })
  const additionalClaims = { claim }
  await askFor('vault/main', 'asserted', { subject: { type: 'jwt-bearer', sub: 'alice', additionalClaims } })

  const role = await say('POST', '/v1/access-tokens', { token: broker.owner, body: { role: 'manager' } }, [
    'manager',
  ])
  secrets.manager = String(role.body.token)
  const place = { project: 'one', environment: 'production' }
  const workload = await say('POST', '/v1/access-tokens', { token: broker.owner, body: place }, ['workload'])
  secrets.workload = String(workload.body.token)
  await asOwner('POST', '/v1/projects', { name: 'laptop', allowDevelopmentIdentities: true })
  const path = '/v1/projects/laptop/development-identities'
  const body = { environment: 'development' }
  const development = await say('POST', path, { token: broker.owner, body }, ['development'])
  secrets.development = String(development.body.token)

  await asOwner('PATCH', '/v1/connect/connectors/vault%2Fmain', { data: { secret: secrets.newVaultSecret } })
  await askFor('vault/main', 'laterVaultToken')
  await asOwner('PATCH', '/v1/connect/connectors/api-key%2Fsearch', { data: { value: secrets.secondApiKey } })
  await askFor('api-key/search', 'secondApiKey')
  for (const token of [identity, broker.owner])
    await say('DELETE', '/v1/connect/connectors/vault%2Fmain/tokens', {
      token,
      body: { subject: { type: 'app' } },
    })
}

/** What people and programs get wrong, with the secret in the wrong place. */
async function mistakes(): Promise<void> {
  const { misplaced } = secrets
  const path = '/v1/connect/token/vault%2Fmain'
  for (const rawBody of [
    `{"subject":{"type":"app"},"token":"${misplaced}"`,
    `${misplaced}`,
    `["${misplaced}"]`,
  ])
    await say('POST', path, { token: identity, rawBody })
  for (const body of [
    { subject: { type: misplaced } },
    { subject: { type: 'token', token: [misplaced] } },
    { subject: { type: 'app' }, scopes: misplaced },
    { subject: { type: 'app' }, rejectedTokenId: misplaced },
    { subject: { type: 'app' }, authorizationDetails: misplaced },
  ])
    await say('POST', path, { token: identity, body })
  await say('POST', `${path}?access_token=${misplaced}`, { token: identity, body: {} })
  await say('POST', path, {
    token: identity,
    rawBody: `x=${misplaced}`,
    headers: { 'content-type': 'text/plain' },
  })
  await say('GET', '/v1/projects', {
    headers: { authorization: `Basic ${misplaced}`, cookie: `a=${misplaced}` },
  })
  await say('GET', '/v1/projects', { token: String(misplaced) })
  await say('GET', '/v1/projects', { token: `vk_${misplaced}` })
  for (const data of [
    { secret: [misplaced] },
    { value: { nested: misplaced } },
    { value: misplaced, values: [{ value: misplaced }] },
    { value: misplaced, serviceUrls: [`https://user:${misplaced}@api.example`] },
    { value: `${misplaced}\n` },
    {
      appId: 7,
      privateKeyPem: `-----BEGIN RSA PRIVATE KEY-----\n${misplaced}\n-----END RSA PRIVATE KEY-----`,
    },
  ]) {
    for (const service of ['vault', 'api-key', 'github'])
      await asOwner('POST', '/v1/connect/connectors', { service, name: 'wrong', data })
  }
  await asOwner('POST', '/v1/projects/one/explain', { token: misplaced })
  await asOwner('POST', '/v1/audit/verify', { checkpoints: [misplaced] })
  await asOwner('POST', '/v1/projects/one/trust', {
    environment: 'x',
    issuer: `https://u:${misplaced}@i.example`,
  })

  // A driver with a defect, and an upstream that prints a stack with a secret in it.
  const defect = new Error(`${secrets.errorMessage}\n    at ${secrets.errorFrame} (upstream.js:1:1)`)
  for (const fault of [defect, upstreamFault()]) {
    provider.next.fault = fault
    await askFor('vault/main', 'never', {
      subject: { type: 'app' },
      scopes: [fault.name, String(Math.random())],
    })
  }
  delete provider.next.fault
}

async function looking(): Promise<void> {
  for (const path of [
    '/v1/projects',
    '/v1/projects/one',
    '/v1/projects/one/trust',
    '/v1/connect/connectors',
    '/v1/connect/connectors/vault%2Fmain',
    '/v1/connect/connectors/github%2Fbot',
    '/v1/connect/connectors/api-key%2Fsearch',
    '/v1/connect/connectors/vault%2Fmain/projects',
    '/v1/connect/services/github?schemas=true',
    '/v1/access-tokens',
    '/v1/access-tokens/self',
    '/v1/audit/events?limit=500',
    '/v1/audit/export',
    '/metrics',
    '/readyz',
    '/.well-known/jwks.json',
  ])
    expect((await asOwner('GET', path)).status).toBe(200)
  for (const name of ['vault%2Fmain', 'github%2Fbot', 'api-key%2Fsearch'])
    await say('GET', `/v1/connect/connectors/${name}`, { token: identity })
  await broker.stop()
  await broker.start()
}

/** Names of the secrets that a text holds. */
function found(text: string, except: readonly string[] = []): string[] {
  const names = Object.keys(secrets).filter((name) => !except.includes(name))
  return names.filter((name) => text.includes(secrets[name] ?? '\0'))
}

describe('S26 secrets stay where they are', () => {
  it('S26 the scenario did what it was for', () => {
    for (const name of [
      'githubToken',
      'vaultToken',
      'exchanged',
      'asserted',
      'laterVaultToken',
      'development',
    ])
      expect(secrets[name]?.length).toBeGreaterThan(20)
    expect(answers.length).toBeGreaterThan(60)
    expect(broker.logs.length).toBeGreaterThan(60)
  })

  it('S26 no log line holds one', () => {
    const leaks = broker.logs.flatMap((line) =>
      found(JSON.stringify(line)).map((name) => `${name} in ${line.message}`),
    )
    expect(leaks).toEqual([])
  })

  it('S26 no answer holds one, but the one it is there for', () => {
    const leaks = answers.flatMap(({ what, text, gives }) =>
      found(text, gives).map((name) => `${name} in ${what}`),
    )
    expect(leaks).toEqual([])
  })

  it('S26 audit events, their export and the metrics hold none', () => {
    for (const path of ['/v1/audit/events?limit=500', '/v1/audit/export', '/metrics']) {
      const text = answers.find(({ what }) => what === `GET ${path}`)?.text ?? ''
      expect(text.length).toBeGreaterThan(1_000)
      expect(found(text)).toEqual([])
    }
  })

  it('S26 metrics do not grow with what strangers write into paths', async () => {
    const series = async () => (await broker.call('GET', '/metrics')).text.split('\n').length
    await broker.call('GET', '/first-unknown-path')
    const before = await series()
    for (let index = 0; index < 50; index += 1) await broker.call('GET', `/unknown-${index}/x`)
    expect(await series()).toBeLessThan(before + 30)
  })

  it('S26 an audited token is named by a digest, and a static one by no digest that can be guessed', async () => {
    const answer = await broker.call('GET', '/v1/audit/events?kind=token_issued&limit=500', {
      token: broker.owner,
    })
    const { createHash } = await import('node:crypto')
    const sha256 = (text: string | undefined) =>
      createHash('sha256')
        .update(text ?? '')
        .digest('hex')
    expect(answer.text).toContain(sha256(secrets.githubToken))
    for (const name of ['apiKey', 'secondApiKey']) expect(answer.text).not.toContain(sha256(secrets[name]))
  })

  it('S26 every answer with a credential, and every error, forbids caching', async () => {
    const issued = await broker.ask('vault/main', identity)
    const refused = await broker.ask('vault/none', identity)
    for (const answer of [issued, refused]) expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  it('S26 a credential that somebody put into a path is not kept', async () => {
    const from = broker.logs.length
    const made = await broker.manage('POST', '/v1/access-tokens', { role: 'auditor' })
    const token = String(made.token)
    // The easy slip: the token where its id belongs.
    await broker.call('DELETE', `/v1/access-tokens/${token}`, { token: broker.owner })
    await broker.call('POST', `/v1/connect/token/${identity}`, { token: identity, body: {} })
    expect(JSON.stringify(broker.logs.slice(from))).not.toContain(token)
    expect(JSON.stringify(broker.logs.slice(from))).not.toContain(identity.slice(-40))
    const { text } = await broker.call('GET', '/v1/audit/events?limit=20', { token: broker.owner })
    expect(text).not.toContain(token)
    expect(text).not.toContain(identity.slice(0, 200))
  })
})
