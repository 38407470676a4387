import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { type Answer, asObjects, startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser, type Shown } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import {
  type ConsentApp,
  connectorData,
  createConsentApp,
  parametersOf,
  postForm,
} from './support/consent.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'

const clock = createClock()
const verifier = 'v'.repeat(43)
const challengeOf = (text: string) => createHash('sha256').update(text).digest('base64url')
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
let app: ConsentApp
let other: ConsentApp
const redirectUri = 'https://app.example/signed-in'
const otherUri = 'https://other.example/signed-in'

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  broker = await startBroker({ clock })
  const data = connectorData(provider)
  await broker.manage('POST', '/v1/connect/connectors', { service: 'oauth', name: 'login', data })
  const connector = 'oauth/login'
  app = await createConsentApp(broker, issuer, provider, {
    name: 'app',
    connector,
    attachment: { redirectUris: [redirectUri, `${redirectUri}?tab=2`] },
  })
  other = await createConsentApp(broker, issuer, provider, {
    name: 'other',
    connector,
    attachment: { redirectUris: [otherUri] },
  })
})
afterAll(async () => {
  await broker.close()
  await provider.close()
  await issuer.close()
})

type Changes = Readonly<Record<string, string | undefined>>

function withChanges(base: Readonly<Record<string, string>>, changes: Changes): Record<string, string> {
  const all = Object.entries({ ...base, ...changes })
  return Object.fromEntries(all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

/** Sends a browser to the gateway, as the app would. */
function authorize(changes: Changes = {}, browser = createBrowser(broker)): Promise<Shown> {
  const asked = {
    client_id: app.connector,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid email profile',
    state: 'state-of-the-app',
    nonce: 'nonce-of-the-app',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
  }
  return browser.open(`/oauth/authorize?${new URLSearchParams(withChanges(asked, changes))}`)
}

/** Signs a person in: what the app is told. */
async function signIn(changes: Changes = {}, person = 'ann'): Promise<Readonly<Record<string, string>>> {
  const browser = createBrowser(broker)
  const begun = await authorize(changes, browser)
  const back = await browser.open(provider.agree(await browser.leave(begun.to ?? ''), person))
  expect(back.to?.startsWith(changes.redirect_uri ?? redirectUri)).toBe(true)
  return parametersOf(back.to)
}
const codeOf = async (changes?: Changes, person?: string) => (await signIn(changes, person)).code ?? ''

async function redeem(code: string, changes: Changes = {}, as = app): Promise<Answer> {
  const form = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    client_id: as.connector,
    client_secret: await as.identity(),
  }
  return postForm(broker, '/oauth/token', withChanges(form, changes))
}

const claimsOf = (token: unknown): Readonly<Record<string, unknown>> =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString())
const userinfo = (token: unknown) =>
  broker.call('GET', '/oauth/userinfo', { headers: { authorization: `Bearer ${token}` } })
const refusedCode = { status: 400, body: { error: 'invalid_grant' } }

describe('S41 the sign-in gateway goes to registered places only', () => {
  it('S41 signs somebody in for the app that registered the address', async () => {
    const told = await signIn()
    expect(Object.keys(told).sort()).toEqual(['code', 'iss', 'state'])
    expect(told).toMatchObject({ state: 'state-of-the-app', iss: broker.url })
    const answer = await redeem(told.code ?? '')
    expect(answer.status).toBe(200)
    expect(claimsOf(answer.body.id_token)).toMatchObject({
      iss: broker.url,
      aud: app.connector,
      nonce: 'nonce-of-the-app',
      email: 'ann@example.com',
      email_verified: true,
    })
    expect((await userinfo(answer.body.access_token)).body.sub).toBe(claimsOf(answer.body.id_token).sub)
  })

  it.each<[string, string]>([
    ['another host', 'https://evil.example/signed-in'],
    ['a host that only shares a prefix', 'https://app.example.evil.example/signed-in'],
    ['a host that ends like it', 'https://evil-app.example/signed-in'],
    ['a subdomain', 'https://sub.app.example/signed-in'],
    ['user info', 'https://app.example@evil.example/signed-in'],
    ['user info before the host', 'https://evil@app.example/signed-in'],
    ['a backslash', 'https://app.example\\@evil.example/signed-in'],
    ['http', 'http://app.example/signed-in'],
    ['a port', 'https://app.example:8443/signed-in'],
    ['the default port', 'https://app.example:443/signed-in'],
    ['a longer path', 'https://app.example/signed-in/more'],
    ['a slash more', 'https://app.example/signed-in/'],
    ['a shorter path', 'https://app.example/signed'],
    ['a path out of it', 'https://app.example/signed-in/../evil'],
    ['an escaped letter', 'https://app.example/signed%2Din'],
    ['another case of the host', 'https://APP.example/signed-in'],
    ['another case of the path', 'https://app.example/Signed-in'],
    ['another query', 'https://app.example/signed-in?tab=3'],
    ['a query more', 'https://app.example/signed-in?tab=2&next=https://evil.example'],
    ['a fragment', 'https://app.example/signed-in#x'],
    ['a space', ' https://app.example/signed-in'],
    ['a line feed', 'https://app.example/signed-in\n'],
    ['a script', 'javascript:alert(1)'],
    ['an address that nobody registered', 'https://unregistered.example/signed-in'],
  ])('S41 with %s in place of the registered address it goes nowhere', async (_what, uri) => {
    const shown = await authorize({ redirect_uri: uri })
    expect([shown.status, shown.to]).toEqual([400, undefined])
    expect(shown.html).not.toContain('evil')
    // Nor with an error: whoever wrote the link must get nothing by it.
    const wrong = await authorize({ redirect_uri: uri, response_type: 'token', scope: '<script>' })
    expect([wrong.status, wrong.to]).toEqual([400, undefined])
  })

  it.each<[string, Changes]>([
    ['no client', { client_id: undefined }],
    ['an unknown client', { client_id: 'oauth/nobody' }],
    ['no redirect URI', { redirect_uri: undefined }],
  ])('S41 with %s it goes nowhere', async (_what, changes) => {
    const shown = await authorize(changes)
    expect([shown.status, shown.to]).toEqual([400, undefined])
  })

  it('S41 a parameter that comes twice is never read in two ways', async () => {
    const query = new URLSearchParams({
      client_id: app.connector,
      redirect_uri: redirectUri,
      response_type: 'code',
    })
    const twice = await createBrowser(broker).open(
      `/oauth/authorize?${query}&redirect_uri=${encodeURIComponent('https://evil.example/')}`,
    )
    expect([twice.status, twice.to]).toEqual([400, undefined])
    const states = await createBrowser(broker).open(`/oauth/authorize?${query}&state=a&state=b`)
    expect(parametersOf(states.to)).toMatchObject({ error: 'invalid_request' })
  })

  it('S41 an address says which project asks, and belongs to one attachment of a connector', async () => {
    const shown = await authorize({ redirect_uri: otherUri })
    const page = await createBrowser(broker).open(shown.to ?? '')
    expect(page.html).toContain('other')
    const path = `/v1/connect/connectors/oauth%2Flogin/projects/other`
    const body = {
      environments: ['production'],
      merge: true,
      subjects: ['user'],
      redirectUris: [redirectUri],
    }
    expect(await broker.call('POST', path, { token: broker.owner, body })).toMatchObject({ status: 409 })
  })
})

describe('S41 a code is for one client, one address and one challenge', () => {
  it('S41 it is not redeemed by another project that has the connector too', async () => {
    const code = await codeOf()
    expect(await redeem(code, {}, other)).toMatchObject(refusedCode)
    expect(await redeem(code, { redirect_uri: otherUri }, other)).toMatchObject(refusedCode)
    // An attempt by somebody else uses nothing up.
    expect((await redeem(code)).status).toBe(200)
  })

  it('S41 nor with another address, also one that the same app registered', async () => {
    const code = await codeOf()
    for (const uri of [`${redirectUri}?tab=2`, `${redirectUri}/`, otherUri])
      expect(await redeem(code, { redirect_uri: uri })).toMatchObject(refusedCode)
    expect(await redeem(code, { redirect_uri: undefined })).toMatchObject({ status: 400 })
    expect((await redeem(code)).status).toBe(200)
  })

  it('S41 nor by whoever caught it and does not have the verifier', async () => {
    const code = await codeOf()
    for (const wrong of ['w'.repeat(43), `${verifier}x`, verifier.slice(1), challengeOf(verifier)])
      expect(await redeem(code, { code_verifier: wrong })).toMatchObject(refusedCode)
    expect(await redeem(code, { code_verifier: undefined })).toMatchObject({ status: 400 })
    expect((await redeem(code)).status).toBe(200)
  })

  it('S41 nor without the identity of its project’s workload', async () => {
    const code = await codeOf()
    for (const secret of [
      '',
      'x',
      await issuer.identity(broker.url, { sub: 'workload:nobody' }),
      broker.owner,
    ])
      expect(await redeem(code, { client_secret: secret || undefined })).toMatchObject({
        status: 401,
        body: { error: 'invalid_client' },
      })
    expect((await redeem(code)).status).toBe(200)
  })

  it('S41 it is good once: a second use is refused, and ends what the first one gave', async () => {
    const code = await codeOf({}, 'twice')
    const first = await redeem(code)
    expect(first.status).toBe(200)
    expect((await userinfo(first.body.access_token)).status).toBe(200)
    expect(await redeem(code)).toMatchObject(refusedCode)
    expect((await userinfo(first.body.access_token)).status).toBe(401)
  })

  it('S41 of two at the same moment at most one has anything of it', async () => {
    const code = await codeOf({}, 'both')
    const both = await Promise.all([redeem(code), redeem(code)])
    expect(both.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
  })

  it('S41 and for a minute', async () => {
    const code = await codeOf()
    clock.advance(60_000)
    expect(await redeem(code)).toMatchObject(refusedCode)
  })

  it('S41 halves of two codes make none, and nothing but a code is one', async () => {
    const [one, two] = [await codeOf(), await codeOf()]
    const [request = ''] = one.split('.')
    const [, secret = ''] = two.split('.')
    for (const code of [`${request}.${secret}`, request, secret, `${request}.`, '', `${one}x`])
      expect((await redeem(code || 'x')).status).toBe(400)
    for (const code of [one, two]) expect((await redeem(code)).status).toBe(200)
  })

  it('S41 what is refused at the token endpoint does not tell which part was wrong', async () => {
    const code = await codeOf()
    const answers = [
      await redeem(code, {}, other),
      await redeem(code, { redirect_uri: `${redirectUri}?tab=2` }),
      await redeem(code, { code_verifier: 'w'.repeat(43) }),
      await redeem(`${code}x`),
    ]
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  })

  it('S41 a person is somebody else for each project, and nobody’s sub tells who', async () => {
    const [one, two] = [
      claimsOf((await redeem(await codeOf({}, 'ann'))).body.id_token).sub,
      claimsOf(
        (await redeem(await codeOf({ redirect_uri: otherUri }, 'ann'), { redirect_uri: otherUri }, other))
          .body.id_token,
      ).sub,
    ]
    expect(one).not.toBe(two)
    for (const sub of [one, two]) expect(String(sub)).not.toContain('ann')
    expect(claimsOf((await redeem(await codeOf({}, 'ann'))).body.id_token).sub).toBe(one)
  })

  it('S41 what was signed in is a grant of that project, under its sub, and answers nobody else', async () => {
    const { body } = await redeem(await codeOf({}, 'granted'))
    const subject = { type: 'user', id: String(claimsOf(body.id_token).sub), issuer: broker.url }
    expect(provider.ownerOf((await app.token('', { subject })).body.token)).toBe('granted')
    expect(await other.token('', { subject })).toMatchObject({ status: 422 })
    const listed = await broker.manage('GET', '/v1/connect/connectors/oauth%2Flogin/grants?limit=100')
    expect(asObjects(listed.grants).some(({ userId }) => userId === subject.id)).toBe(true)
  })
})

describe('S06 PKCE at the gateway', () => {
  it.each<[string, Changes]>([
    ['no challenge', { code_challenge: undefined, code_challenge_method: undefined }],
    ['a method without a challenge', { code_challenge: undefined }],
    ['a challenge without a method, which means plain', { code_challenge_method: undefined }],
    ['plain', { code_challenge: verifier, code_challenge_method: 'plain' }],
    ['another case of the method', { code_challenge_method: 's256' }],
    ['an unknown method', { code_challenge_method: 'S512' }],
    ['a challenge that is none of S256', { code_challenge: 'x' }],
    ['a challenge that is too long', { code_challenge: 'x'.repeat(44) }],
  ])('S06 %s is refused, to the app, before anybody is asked for consent', async (_what, changes) => {
    const shown = await authorize(changes)
    expect(shown.to?.startsWith(`${redirectUri}?`)).toBe(true)
    expect(parametersOf(shown.to)).toMatchObject({ error: 'invalid_request', state: 'state-of-the-app' })
  })

  it('S06 the metadata promises S256 alone', async () => {
    for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']) {
      const { body } = await broker.call('GET', path)
      expect(body).toMatchObject({
        issuer: broker.url,
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
        response_types_supported: ['code'],
      })
    }
  })

  it.each(['token', 'id_token', 'code token', 'code id_token', ''])(
    'S06 no answer of the type "%s" is given, which would put tokens into addresses',
    async (type) => {
      const shown = await authorize({ response_type: type || undefined })
      expect(Object.keys(parametersOf(shown.to)).sort()).toEqual([
        'error',
        'error_description',
        'iss',
        'state',
      ])
    },
  )

  it.each(['error', 'both'])(
    'S06 when the provider answers with %s, the app gets an error and no code',
    async (how) => {
      const browser = createBrowser(broker)
      const left = await browser.leave((await authorize({}, browser)).to ?? '')
      const changes = { error: 'access_denied', ...(how === 'both' ? {} : { code: undefined }) }
      const back = await browser.open(provider.agree(left, 'ann', changes))
      const told = parametersOf(back.to)
      expect(told.error).toBe(how === 'both' ? 'server_error' : 'access_denied')
      expect(told.code).toBeUndefined()
      expect(told.state).toBe('state-of-the-app')
    },
  )
})
