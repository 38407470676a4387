import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
  SignJWT,
} from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ada, startTestGateway, type TestApp, type TestGateway, verifier } from './test-gateway.ts'

let gateway: TestGateway
let app: TestApp
beforeAll(async () => {
  gateway = await startTestGateway()
  app = await gateway.app()
})
afterAll(() => gateway.close())
beforeEach(() => {
  gateway.person = ada
})

const codeOf = async (of = app) => (await gateway.signIn(of)).get('code') ?? ''

async function keys() {
  const answer = await gateway.get('/oauth/jwks')
  return createLocalJWKSet((await answer.json()) as JSONWebKeySet)
}

const userGrants = (of = app) =>
  gateway.context.db
    .selectFrom('grants')
    .innerJoin('connectors', 'connectors.id', 'grants.connector_id')
    .selectAll('grants')
    .where('connectors.uid', '=', of.clientId)
    .orderBy('grants.created_at')
    .execute()

describe('a code, redeemed by the app that asked', () => {
  it('becomes an ID token with what the provider vouched for, and an access token', async () => {
    const answer = await gateway.redeem(app, await codeOf())
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { access_token: accessToken, id_token: idToken, ...rest } = answer.body
    expect(rest).toEqual({ token_type: 'Bearer', expires_in: 3_600, scope: 'openid profile email' })

    const currentDate = new Date(gateway.clock())
    const issuer = gateway.context.publicUrl
    const id = await jwtVerify(String(idToken), await keys(), { issuer, audience: app.clientId, currentDate })
    expect(id.protectedHeader).toMatchObject({ alg: 'ES256', typ: 'vk-signin+jwt' })
    expect(id.payload).toMatchObject({
      nonce: 'n-1',
      email: 'ada@example.com',
      email_verified: true,
      name: 'Ada',
      picture: 'https://provider.test/ada.png',
    })
    const access = await jwtVerify(String(accessToken), await keys(), {
      issuer,
      audience: issuer,
      currentDate,
      typ: 'at+jwt',
    })
    const [project] = await gateway.context.db
      .selectFrom('projects')
      .selectAll()
      .where('name', '=', app.project.name)
      .execute()
    expect(access.payload).toMatchObject({
      sub: id.payload.sub,
      client_id: app.clientId,
      scope: 'openid profile email',
      project: project?.id,
      environment: 'development',
      jti: expect.any(String),
    })
    expect((access.payload.exp ?? 0) - (access.payload.iat ?? 0)).toBe(3_600)
  })

  it('makes the grant that getToken then finds by sub and the issuer', async () => {
    const { id_token: idToken } = await gateway.tokens(app)
    const { sub } = JSON.parse(Buffer.from(idToken.split('.')[1] ?? '', 'base64url').toString())
    const issuer = gateway.context.publicUrl
    expect((await app.project.ask({ subject: { type: 'user', id: sub, issuer } })).body.token).toMatch(
      /^user-token-/,
    )
    expect((await app.project.ask({ subject: { type: 'user', id: sub } })).status).toBe(422)
  })

  it('names no scope of which the provider told nothing', async () => {
    gateway.person = { externalSubject: 'provider-user-9', claims: { name: 'Grace' } }
    const answer = await gateway.redeem(app, await codeOf())
    expect(answer.body.scope).toBe('openid profile')
    expect(decodeJwt(String(answer.body.access_token)).scope).toBe('openid profile')
    gateway.person = { externalSubject: 'provider-user-9' }
    expect((await gateway.redeem(app, await codeOf())).body.scope).toBe('openid')
  })

  it('says nothing of an address that the provider did not vouch for', async () => {
    gateway.person = { externalSubject: 'provider-user-2', claims: { email: 'eve@example.com' } }
    const { id_token: idToken, access_token: accessToken } = await gateway.tokens(app)
    const claims = JSON.parse(Buffer.from(idToken.split('.')[1] ?? '', 'base64url').toString())
    expect(claims.email).toBe('eve@example.com')
    expect(claims).not.toHaveProperty('email_verified')
    const told = await gateway.get('/oauth/userinfo', { authorization: `Bearer ${accessToken}` })
    expect(await told.json()).toEqual({ sub: claims.sub, email: 'eve@example.com' })
  })

  it('leaves an event of the trail, without code, verifier and tokens', async () => {
    const code = await codeOf()
    const { body } = await gateway.redeem(app, code)
    await gateway.redeem(app, 'ask_unknown.secret')
    const bodies = (await gateway.context.db.selectFrom('audit_events').select('body').execute())
      .map((event) => event.body)
      .join('\n')
    expect(bodies).toContain('"action":"sign_in"')
    for (const secret of [code.split('.')[1], verifier, body.access_token, body.id_token, app.identity])
      expect(bodies).not.toContain(String(secret))
  })
})

describe('a code is bound', () => {
  it('S41 to its verifier', async () => {
    const code = await codeOf()
    const wrong = [`${verifier}v`, 'w'.repeat(43), 'v'.repeat(42), undefined, '']
    for (const code_verifier of wrong) {
      const { status, body } = await gateway.redeem(app, code, { code_verifier })
      expect([status, body.error]).toEqual([400, code_verifier ? 'invalid_grant' : 'invalid_request'])
    }
    expect((await gateway.redeem(app, code)).status).toBe(200)
  })

  it('S41 to its redirect URI', async () => {
    const code = await codeOf()
    for (const redirect_uri of [
      'https://evil.example/callback',
      `${app.redirectUri}/`,
      app.redirectUri.toUpperCase(),
    ])
      expect((await gateway.redeem(app, code, { redirect_uri })).body.error).toBe('invalid_grant')
    expect((await gateway.redeem(app, code)).status).toBe(200)
  })

  it('S02 S41 to its attachment: not for another project, nor for another connector of the same one', async () => {
    const other = await gateway.app()
    const code = await codeOf()
    const changes = { redirect_uri: app.redirectUri }
    expect((await gateway.redeem(other, code, changes)).body.error).toBe('invalid_grant')
    // The other project's identity for this app's connector, and the other way about.
    expect((await gateway.redeem(app, code, { client_secret: other.identity })).body.error).toBe(
      'invalid_client',
    )
    expect((await gateway.redeem(app, code, { client_id: other.clientId })).body.error).toBe('invalid_client')
    await gateway.broker.manage('POST', `${other.project.connectorPath}/projects/${app.project.name}`, {
      environments: ['development'],
    })
    expect((await gateway.redeem(app, code, { client_id: other.clientId })).body.error).toBe('invalid_grant')
    expect((await gateway.redeem(app, code)).status).toBe(200)
  })

  it('S02 to its environment', async () => {
    const issued = await gateway.broker.manage(
      'POST',
      `/v1/projects/${app.project.name}/development-identities`,
      {
        environment: 'preview',
      },
    )
    await gateway.broker.manage('POST', `${app.project.connectorPath}/projects/${app.project.name}`, {
      environments: ['preview'],
      merge: true,
    })
    const code = await codeOf()
    expect((await gateway.redeem(app, code, { client_secret: String(issued.token) })).body.error).toBe(
      'invalid_grant',
    )
    expect((await gateway.redeem(app, code)).status).toBe(200)
  })

  it('S41 to one use: a second ends what the first one made, and the tokens that came of it', async () => {
    const mine = await gateway.app()
    const code = await codeOf(mine)
    const { body } = await gateway.redeem(mine, code)
    const authorization = `Bearer ${body.access_token}`
    expect((await gateway.get('/oauth/userinfo', { authorization })).status).toBe(200)
    const { sub } = JSON.parse(Buffer.from(String(body.id_token).split('.')[1] ?? '', 'base64url').toString())
    const subject = { type: 'user', id: sub, issuer: gateway.context.publicUrl }
    expect((await mine.project.ask({ subject })).status).toBe(200)

    const again = await gateway.redeem(mine, code)
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
    expect((await userGrants(mine)).map((grant) => grant.state)).toEqual(['ended'])
    expect((await gateway.get('/oauth/userinfo', { authorization })).status).toBe(401)
    expect((await mine.project.ask({ subject })).status).toBe(422)
  })

  it('S41 to one use, also when two come at once', async () => {
    const mine = await gateway.app()
    const code = await codeOf(mine)
    const answers = await Promise.all([1, 2, 3].map(() => gateway.redeem(mine, code)))
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    expect((await userGrants(mine)).map((grant) => grant.state)).toEqual(['ended'])
  })

  it('a third use does not end what a new sign-in made', async () => {
    const mine = await gateway.app()
    const code = await codeOf(mine)
    await gateway.redeem(mine, code)
    await gateway.redeem(mine, code)
    const { access_token: accessToken } = await gateway.tokens(mine)
    expect((await gateway.redeem(mine, code)).body.error).toBe('invalid_grant')
    const told = await gateway.get('/oauth/userinfo', { authorization: `Bearer ${accessToken}` })
    expect(told.status).toBe(200)
  })

  it('nobody ends a grant with a made-up code, or with the right one and no verifier', async () => {
    const mine = await gateway.app()
    const code = await codeOf(mine)
    await gateway.redeem(mine, code)
    const madeUp = `${code.split('.')[0]}.${'x'.repeat(43)}`
    expect((await gateway.redeem(mine, madeUp)).body.error).toBe('invalid_grant')
    expect((await gateway.redeem(mine, code, { code_verifier: 'w'.repeat(43) })).body.error).toBe(
      'invalid_grant',
    )
    expect((await userGrants(mine)).map((grant) => grant.state)).toEqual(['active'])
  })

  it('to a minute', async () => {
    const code = await codeOf()
    const before = gateway.broker.clock.now
    gateway.broker.clock.now += 61_000
    expect((await gateway.redeem(app, code)).body.error).toBe('invalid_grant')
    gateway.broker.clock.now = before
  })

  it.each(['', 'ask_', '.', 'ask_1.', '.secret', 'ask_1.2.3', 'req_1.secret', "ask_1'.x", 'ask_1\u0000.x'])(
    'and %j is none',
    async (code) => {
      const { status, body } = await gateway.redeem(app, code)
      expect(status).toBe(400)
      expect(['invalid_grant', 'invalid_request']).toContain(body.error)
    },
  )

  it('S02 a request that is no sign-in has no code here', async () => {
    const begun = (await app.project.call(
      'POST',
      `/v1/connect/authorize/${encodeURIComponent(app.clientId)}`,
      {
        subject: { type: 'user', id: 'u' },
        binding: 'complete',
      },
    )) as { body: { request?: string } }
    const id = begun.body.request ?? (await codeOf()).split('.')[0]
    expect((await gateway.redeem(app, `${id}.secret`)).body.error).toBe('invalid_grant')
  })
})

describe('tokens of the gateway', () => {
  it('S38 have a kind each, and are no identity', async () => {
    const { access_token: accessToken, id_token: idToken } = await gateway.tokens(app)
    expect(decodeProtectedHeader(accessToken).typ).toBe('at+jwt')
    for (const token of [accessToken, idToken]) {
      const asked = await app.project.askAs(token)
      expect([asked.status, asked.body.error?.code]).toEqual([401, 'identity_invalid'])
      const code = await codeOf()
      expect((await gateway.redeem(app, code, { client_secret: token })).body.error).toBe('invalid_client')
    }
  })

  it('S38 and no other token is one: identity, ID token, access token of the broker, forged and foreign ones', async () => {
    const { access_token: accessToken, id_token: idToken } = await gateway.tokens(app)
    const [header, payload, signature] = accessToken.split('.')
    const other = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const others = [
      ...[app.identity, idToken, 'vk_1_2', 'a.b.c', ''],
      `${header}.${encode({ ...other, sub: 'somebody else' })}.${signature}`,
      `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
      `${encode({ alg: 'ES256', typ: 'vk-signin+jwt', kid: gateway.context.gateway.key.kid })}.${payload}.${signature}`,
    ]
    for (const token of others) {
      const answer = await gateway.get('/oauth/userinfo', { authorization: `Bearer ${token}` })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toContain('Bearer')
    }
  })

  it('S38 nor one that differs from an access token in nothing but its kind, key, issuer or audience', async () => {
    const { access_token: accessToken } = await gateway.tokens(app)
    const claims = decodeJwt(accessToken)
    const { gateway: own, developmentKey } = gateway.context
    const like = (typ: string, key = own.key, changes: object = {}, kid = key.kid) =>
      new SignJWT({ ...claims, ...changes })
        .setProtectedHeader({ alg: 'ES256', kid, typ })
        .sign(key.privateKey)
    const status = async (token: string) =>
      (await gateway.get('/oauth/userinfo', { authorization: `Bearer ${token}` })).status
    expect(await status(await like('at+jwt'))).toBe(200)
    const others = await Promise.all([
      ...['JWT', 'vk-signin+jwt', 'vk-id+jwt', 'vk-trigger+jwt'].map((typ) => like(typ)),
      like('at+jwt', developmentKey),
      like('at+jwt', developmentKey, {}, own.key.kid),
      like('at+jwt', own.key, { iss: `${claims.iss}/development` }),
      like('at+jwt', own.key, { aud: app.clientId }),
      like('at+jwt', own.key, { exp: 1 }),
      like('at+jwt', own.key, { sub: 'somebody else' }),
      like('at+jwt', own.key, { grant: 'grt_1' }),
      like('at+jwt', own.key, { environment: 'production' }),
    ])
    for (const token of others) expect(await status(token)).toBe(401)
  })
})
