import { createClient, type IssuingPoint, isConnectError } from '@valetkey/sdk'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { asObject, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { encodePart } from './support/forge.ts'
import { sendJson, startLoopbackServer } from './support/http.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
const app = { subject: { type: 'app' } } as const
let broker: TestBroker
let foreign: TestBroker
let issuer: TestIssuer
let identityOf: Record<'one' | 'two', () => Promise<string>>

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver] })
  foreign = await startBroker({ clock, drivers: [provider.driver], ownKeys: true })
  await createVault(broker, 'kinds')
  const one = await createProject(broker, issuer, 'one')
  const two = await createProject(broker, issuer, 'two')
  await attach(broker, 'vault/kinds', 'one')
  await attach(broker, 'vault/kinds', 'two')
  identityOf = { one: one.identity, two: two.identity }
})

afterAll(async () => {
  await broker.close()
  await foreign.close()
  await issuer.close()
})

describe('S38 a token of one kind is no token of another', () => {
  let development: string
  let workloadToken: string
  let checkpoint: string

  beforeAll(async () => {
    for (const each of [broker, foreign]) {
      await each.manage('POST', '/v1/projects', { name: 'laptops', allowDevelopmentIdentities: true })
      await createVault(each, 'laptop')
      await attach(each, 'vault/laptop', 'laptops', { environments: ['development', 'production'] })
    }
    const minted = await broker.manage('POST', '/v1/projects/laptops/development-identities', {
      environment: 'development',
    })
    development = String(minted.token)
    const made = await broker.manage('POST', '/v1/access-tokens', {
      project: 'laptops',
      environment: 'development',
    })
    workloadToken = String(made.token)
    checkpoint = String((await broker.manage('POST', '/v1/audit/checkpoint')).checkpoint)
  })

  const ask = (token: string, at = broker) => at.ask('vault/laptop', token)
  const manage = (token: string, at = broker) => at.call('GET', '/v1/projects', { token })

  it('S38 each kind opens its own door', async () => {
    expect((await ask(development)).status).toBe(200)
    expect((await ask(workloadToken)).status).toBe(200)
    expect((await manage(broker.owner)).status).toBe(200)
  })

  it('S38 an identity or a workload token manages nothing', async () => {
    for (const token of [development, workloadToken, await identityOf.one()]) {
      const answers = [
        await manage(token),
        await broker.call('POST', '/v1/projects', { token, body: { name: 'x' } }),
      ]
      for (const answer of answers) expect(answer).toMatchObject({ status: 403, code: 'forbidden' })
    }
  })

  it("S38 an operator's token gets no provider token", async () => {
    const before = provider.mints.length
    expect(await ask(broker.owner)).toMatchObject({ status: 403, code: 'forbidden' })
    expect(provider.mints).toHaveLength(before)
  })

  it('S38 a checkpoint is neither an identity nor an access token', async () => {
    for (const answer of [await ask(checkpoint), await manage(checkpoint)])
      expect(answer).toMatchObject({ status: 401, code: 'identity_invalid' })
  })

  it('S38 a development identity or an access token proves no audit tail', async () => {
    for (const jws of [development, workloadToken, await identityOf.one()]) {
      const verified = await broker.manage('POST', '/v1/audit/verify', { checkpoints: [jws] })
      expect(verified).toMatchObject({ valid: false, tail: 'unproven' })
    }
    expect(await broker.manage('POST', '/v1/audit/verify', { checkpoints: [checkpoint] })).toMatchObject({
      valid: true,
      tail: 'proven',
    })
  })

  it('S38 what an issued token carries opens no door of the broker', async () => {
    const token = String((await ask(development)).body.token)
    for (const answer of [await ask(token), await manage(token)])
      expect(answer).toMatchObject({ status: 401, code: 'identity_invalid' })
  })

  it.each([
    'at+jwt',
    'application/at+jwt',
    'AT+JWT',
    'vk-id+jwt',
    'vk-trigger+jwt',
    'vk-checkpoint+jwt',
    'logout+jwt',
    'dpop+jwt',
    'secevent+jwt',
    'wimse-id+jwt',
  ])('S38 a token of a trusted issuer with the type %s is no identity', async (typ) => {
    const claims = issuer.claims(broker.url, { sub: 'workload:one' })
    const token = await issuer.sign(claims, { header: { typ } })
    expect(await broker.ask('vault/kinds', token)).toMatchObject({ status: 401, code: 'identity_invalid' })
  })

  it('S38 development identities of another broker are worth nothing here', async () => {
    const minted = await foreign.manage('POST', '/v1/projects/laptops/development-identities', {
      environment: 'development',
    })
    // Both have the same public URL, so issuer and audience fit: only the key tells them apart.
    expect((await ask(String(minted.token), foreign)).status).toBe(200)
    expect(await ask(String(minted.token))).toMatchObject({ status: 401, code: 'identity_invalid' })
    expect(await manage(foreign.owner)).toMatchObject({ status: 401, code: 'identity_invalid' })
  })

  it('S38 a development identity is bound to its project, its environment and its type', async () => {
    const [head = '', body = '', signature = ''] = development.split('.')
    const decode = (part: string) => asObject(JSON.parse(Buffer.from(part, 'base64url').toString()))
    const [header, claims] = [decode(head), decode(body)]
    const sub = String(claims.sub).replace('development', 'production')
    for (const token of [
      // Only the signature is wrong.
      `${head}.${encodePart({ ...claims, jti: 'another' })}.${signature}`,
      `${head}.${encodePart({ ...claims, environment: 'production', sub })}.${signature}`,
      `${encodePart({ ...header, typ: 'JWT' })}.${body}.${signature}`,
      `${encodePart({ ...header, typ: undefined })}.${body}.${signature}`,
      await issuer.sign(claims, { header: { typ: 'vk-id+jwt', kid: header.kid } }),
      await issuer.sign(claims),
    ])
      expect(await ask(token)).toMatchObject({ status: 401, code: 'identity_invalid' })
  })

  it('S38 a server makes identities for development only, and only where a project allows it', async () => {
    const mint = (project: string, body: object) =>
      broker.call('POST', `/v1/projects/${project}/development-identities`, { token: broker.owner, body })
    expect((await mint('laptops', { environment: 'production' })).code).toBe('invalid_request')
    expect((await mint('one', { environment: 'development' })).code).toBe('conflict')
    expect((await mint('laptops', { environment: 'development', ttlSeconds: 43_201 })).code).toBe(
      'invalid_request',
    )
  })

  it('S38 a development identity ends with its project', async () => {
    await broker.manage('POST', '/v1/projects', { name: 'short', allowDevelopmentIdentities: true })
    const body = { environment: 'development' }
    const { token } = await broker.manage('POST', '/v1/projects/short/development-identities', body)
    await attach(broker, 'vault/laptop', 'short', { environments: ['development'] })
    expect((await ask(String(token))).status).toBe(200)
    await broker.manage('DELETE', '/v1/projects/short')
    expect(await ask(String(token))).toMatchObject({ status: 401, code: 'identity_invalid' })
  })

  it('S38 the published keys are two, one for each kind, and neither is secret', async () => {
    const checkpoints = (await broker.call('GET', '/.well-known/jwks.json')).text
    const identities = (await broker.call('GET', '/development/jwks')).text
    const coordinate = (text: string) => /"x":"([^"]+)"/.exec(text)?.[1]
    expect(coordinate(checkpoints)).toBeTruthy()
    expect(coordinate(identities)).toBeTruthy()
    expect(coordinate(checkpoints)).not.toBe(coordinate(identities))
    expect(`${checkpoints}${identities}`).not.toMatch(/"d":/)
  })
})

describe('S14 which identity is sent where', () => {
  afterEach(() => vi.unstubAllEnvs())

  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => 'a token came back',
      (error: unknown) => (isConnectError(error) ? error.code : String(error)),
    )

  async function listener() {
    const seen: (string | undefined)[] = []
    const server = await startLoopbackServer((request, response) => {
      seen.push(request.headers.authorization)
      sendJson(response, { token: 't', expiresAt: Date.now() + 3_600_000, connector: { id: 'c' } })
    })
    return { ...server, seen }
  }

  it("S14 another project's identity can not replace a token it never had", async () => {
    const first = await broker.ask('vault/kinds', await identityOf.one())
    const revoked = provider.revoked.length
    const rejectedTokenId = String(first.body.tokenId)
    const other = await broker.ask('vault/kinds', await identityOf.two(), { ...app, rejectedTokenId })
    expect(other.status).toBe(200)
    expect(other.body.tokenId).not.toBe(rejectedTokenId)
    const again = await broker.ask('vault/kinds', await identityOf.one())
    expect(again.body.tokenId).toBe(rejectedTokenId)
    expect(provider.revoked).toHaveLength(revoked)
  })

  const claims = (changes: Record<string, unknown>) => ({
    iss: 'https://issuer.example',
    sub: 'x',
    iat: Math.floor(Date.now() / 1000),
    exp: Math.floor(Date.now() / 1000) + 600,
    ...changes,
  })
  const jwt = (changes: Record<string, unknown>) =>
    `${encodePart({ alg: 'RS256' })}.${encodePart(claims(changes))}.c2ln`

  it.each([
    'sts.amazonaws.com',
    'api://AzureADTokenExchange',
    'https://kubernetes.default.svc',
    'https://other.example',
    '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
    ['https://other.example', 'https://another.example'],
  ])('S14 an identity for %s is never sent', async (aud) => {
    const server = await listener()
    for (const identityToken of [jwt({ aud }), () => jwt({ aud })]) {
      const client = createClient({ url: server.url })
      expect(await failure(client.getToken('c', app, { identityToken }))).toBe('identity_unavailable')
    }
    vi.stubEnv('VALETKEY_ID_TOKEN', jwt({ aud }))
    vi.stubEnv('VALETKEY_URL', server.url)
    expect(await failure(createClient().getToken('c', app))).toBe('identity_unavailable')
    expect(server.seen).toEqual([])
    await server.close()
  })

  it.each(['VALETKEY_ID_TOKEN', 'VALETKEY_ACCESS_TOKEN'])(
    'S14 %s never goes to Vercel Connect',
    async (name) => {
      const asked: string[] = []
      const fetch: typeof globalThis.fetch = async (input) => {
        asked.push(String(input))
        return Response.json({})
      }
      vi.stubEnv('VERCEL', '1')
      vi.stubEnv('VALETKEY_URL', '')
      vi.stubEnv(name, name === 'VALETKEY_ID_TOKEN' ? jwt({ aud: 'https://vercel.com/team' }) : 'vk_secret')
      expect(await failure(createClient({ fetch }).getToken('c', app))).toBe('identity_unavailable')
      const explicit = createClient({ fetch, url: 'https://api.vercel.com' })
      expect(await failure(explicit.getToken('c', app))).toBe('identity_unavailable')
      expect(asked).toEqual([])
    },
  )

  it('S14 VALETKEY_* credentials never reach an issuing point of another origin than VALETKEY_URL', async () => {
    let credentials = 0
    const point = (origin: string | undefined): IssuingPoint => ({
      id: 'custom',
      audience: 'https://custom.example',
      ...(origin === undefined ? {} : { origin }),
      issueToken: async () => {
        credentials += 1
        return { token: 't', expiresAt: Date.now() + 3_600_000, connector: {} }
      },
    })
    vi.stubEnv('VALETKEY_URL', 'https://broker.example')
    vi.stubEnv('VALETKEY_ACCESS_TOKEN', 'vk_secret')
    for (const origin of [
      undefined,
      'https://other.example',
      'https://broker.example:8443',
      'http://broker.example',
    ]) {
      const client = createClient({ issuingPoint: point(origin) })
      expect(await failure(client.getToken('c', app))).toBe('identity_unavailable')
    }
    expect(credentials).toBe(0)
    const own = createClient({ issuingPoint: point('https://broker.example') })
    expect(await own.getToken('c', app)).toBe('t')
  })

  it('S14 an expired identity never falls through to another one', async () => {
    const server = await listener()
    vi.stubEnv('VALETKEY_URL', server.url)
    vi.stubEnv('VALETKEY_ID_TOKEN', jwt({ aud: server.url, exp: Math.floor(Date.now() / 1000) - 1 }))
    vi.stubEnv('VALETKEY_ACCESS_TOKEN', 'vk_operator')
    expect(await failure(createClient().getToken('c', app))).toBe('identity_unavailable')
    expect(server.seen).toEqual([])
    await server.close()
  })

  it('S14 a source that is broken never falls through to another one', async () => {
    const server = await listener()
    vi.stubEnv('VALETKEY_URL', server.url)
    vi.stubEnv('VALETKEY_ID_TOKEN_FILE', '/nonexistent/valetkey-token')
    vi.stubEnv('VALETKEY_ACCESS_TOKEN', 'vk_operator')
    expect(await failure(createClient().getToken('c', app))).toBe('identity_unavailable')
    expect(server.seen).toEqual([])
    await server.close()
  })
})
