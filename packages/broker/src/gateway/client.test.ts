import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { basicCredentials } from './basic-credentials.ts'
import { startTestGateway, type TestApp, type TestGateway } from './test-gateway.ts'

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const encoded = (text: string) => encodeURIComponent(text).replaceAll('%20', '+')

describe('HTTP Basic credentials (RFC 6749 §2.3.1)', () => {
  it.each([
    ['plain', 'client:secret', 'client', 'secret'],
    ['a UID as encoders write it', 'slack%2Fmybot:a.b.c', 'slack/mybot', 'a.b.c'],
    ['a UID as it is', 'slack/mybot:a.b.c', 'slack/mybot', 'a.b.c'],
    ['colons and percent signs, encoded', `${encoded('a:b%c')}:${encoded('d:e%f')}`, 'a:b%c', 'd:e%f'],
    ['spaces as a plus', 'a+b:c%2Bd', 'a b', 'c+d'],
    ['a colon in the secret that was not encoded', 'a:b:c', 'a', 'b:c'],
    ['halves that are empty', ':', '', ''],
  ])('reads %s', (_what, text, clientId, secret) => {
    expect(basicCredentials(basic(text))).toEqual({ clientId, secret })
  })

  it.each([
    ['no colon', basic('client')],
    ['a percent sign that encodes nothing', basic('a%:b')],
    ['half of a character', basic('a:%ff')],
    ['U+0000', basic('a%00:b')],
    ['no base64', 'Basic a:b'],
    ['another scheme', 'Bearer abc'],
    ['nothing', 'Basic '],
  ])('refuses %s', (_what, header) => {
    expect(basicCredentials(header)).toBeUndefined()
  })
})

describe('a client of the gateway', () => {
  let gateway: TestGateway
  let app: TestApp
  beforeAll(async () => {
    gateway = await startTestGateway()
    app = await gateway.app()
  })
  afterAll(() => gateway.close())

  const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const nothing = { client_id: undefined, client_secret: undefined }

  async function codeFor(): Promise<string> {
    return (await gateway.signIn(app)).get('code') ?? ''
  }

  it('proves itself by HTTP Basic', async () => {
    const authorization = basic(`${encoded(app.clientId)}:${encoded(app.identity)}`)
    expect((await gateway.redeem(app, await codeFor(), nothing, { authorization })).status).toBe(200)
  })

  it('proves itself by a client assertion, which is the identity as its platform made it', async () => {
    const changes = {
      client_secret: undefined,
      client_assertion: app.identity,
      client_assertion_type: assertionType,
    }
    expect((await gateway.redeem(app, await codeFor(), changes)).status).toBe(200)
  })

  it('proves itself by a workload access token, where its platform has no identities', async () => {
    const made = await gateway.broker.manage('POST', '/v1/access-tokens', {
      project: app.project.name,
      environment: 'development',
    })
    const secret = String(made.token)
    expect((await gateway.redeem(app, await codeFor(), { client_secret: secret })).status).toBe(200)
    const assertion = {
      client_secret: undefined,
      client_assertion: secret,
      client_assertion_type: assertionType,
    }
    expect((await gateway.redeem(app, await codeFor(), assertion)).body.error).toBe('invalid_client')
  })

  it('is not an operator', async () => {
    const made = await gateway.broker.manage('POST', '/v1/access-tokens', { role: 'owner' })
    const { status, body } = await gateway.redeem(app, await codeFor(), { client_secret: String(made.token) })
    expect([status, body.error]).toEqual([401, 'invalid_client'])
  })

  it.each([
    ['nothing at all', nothing, {}, 'invalid_client'],
    ['no identity', { client_secret: undefined }, {}, 'invalid_client'],
    ['no client', { client_id: undefined }, {}, 'invalid_client'],
    ['a secret that is none', { client_secret: 'secret' }, {}, 'invalid_client'],
    ['a connector that is unknown', { client_id: 'fake/none' }, {}, 'invalid_client'],
    [
      'an assertion of another type',
      { client_secret: undefined, client_assertion: 'x', client_assertion_type: 'saml' },
      {},
      'invalid_request',
    ],
    [
      'two proofs in the body',
      { client_assertion: 'x', client_assertion_type: assertionType },
      {},
      'invalid_request',
    ],
    ['two proofs', {}, { authorization: basic('a:b') }, 'invalid_request'],
    [
      'two clients',
      { client_secret: undefined, client_id: 'fake/other' },
      { authorization: basic('fake%2Fp1:x') },
      'invalid_request',
    ],
    ['a header that is no Basic', nothing, { authorization: 'Bearer abc' }, 'invalid_client'],
  ])('is refused with %s', async (_what, changes, headers, error) => {
    const answer = await gateway.redeem(app, 'ask_1.x', changes, headers)
    expect(answer.body.error).toBe(error)
    expect(answer.status).toBe(error === 'invalid_client' ? 401 : 400)
    if (error === 'invalid_client') expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /)
  })

  it('can’t tell a connector that is not linked from one that does not exist', async () => {
    const other = await gateway.app()
    const [foreign, unknown] = [
      await gateway.redeem(app, 'ask_1.x', { client_id: other.clientId }),
      await gateway.redeem(app, 'ask_1.x', { client_id: 'fake/none' }),
    ]
    expect([foreign.status, foreign.body]).toEqual([unknown.status, unknown.body])
  })

  it('learns no more than that its identity has expired', async () => {
    gateway.broker.clock.now += 86_400_000
    const { status, body } = await gateway.redeem(app, 'ask_1.x')
    gateway.broker.clock.now -= 86_400_000
    expect([status, body.error]).toEqual([401, 'invalid_client'])
    expect(JSON.stringify(body)).not.toContain(app.identity)
  })

  it.each(['grant_type', 'code', 'redirect_uri', 'client_id', 'client_secret', 'code_verifier'])(
    'does not send %s twice',
    async (name) => {
      const form = [
        ['grant_type', 'authorization_code'],
        ['code', 'ask_1.x'],
        ['redirect_uri', app.redirectUri],
        ['client_id', app.clientId],
        ['client_secret', app.identity],
        ['code_verifier', 'v'.repeat(43)],
        [name, 'authorization_code'],
      ] as const
      const answer = await gateway.post('/oauth/token', form)
      expect([answer.status, await answer.json()]).toEqual([
        400,
        { error: 'invalid_request', error_description: `${name} was sent more than once` },
      ])
    },
  )

  it('sends a form, in the body', async () => {
    const inUrl = await gateway.post('/oauth/token?code=x', { grant_type: 'authorization_code' })
    expect(await inUrl.json()).toMatchObject({ error: 'invalid_request' })
    const other = await gateway.post('/oauth/token', { grant_type: 'password' })
    expect(await other.json()).toMatchObject({ error: 'unsupported_grant_type' })
    expect(await (await gateway.post('/oauth/token', {})).json()).toMatchObject({ error: 'invalid_request' })
    const text = await gateway.post('/oauth/token', {}, { 'content-type': 'application/json' })
    expect(await text.json()).toMatchObject({ error: 'invalid_request' })
  })
})
