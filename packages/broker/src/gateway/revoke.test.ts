import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestApp, type TestGateway } from './test-gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(() => gateway.close())

const userinfo = async (token: string, path = '/oauth/userinfo') =>
  (await gateway.get(path, { authorization: `Bearer ${token}` })).status

function revoke(app: TestApp, token: string, changes: Readonly<Record<string, string>> = {}) {
  return gateway.post('/oauth/revoke', {
    token,
    client_id: app.clientId,
    client_secret: app.identity,
    ...changes,
  })
}

describe('userinfo', () => {
  it('tells what the token’s scopes cover, by GET and POST', async () => {
    const app = await gateway.app()
    const { access_token: token } = await gateway.tokens(app, { scope: 'openid profile' })
    const headers = { authorization: `Bearer ${token}` }
    const claims = { sub: expect.stringMatching(/^[\w-]{43}$/), name: 'Ada', picture: expect.any(String) }
    const got = await gateway.get('/oauth/userinfo', headers)
    expect(got.headers.get('cache-control')).toBe('no-store')
    expect(await got.json()).toEqual(claims)
    expect(await (await gateway.post('/oauth/userinfo', {}, headers)).json()).toEqual(claims)
  })

  it('wants a token, and not in the URL', async () => {
    const app = await gateway.app()
    const { access_token: token } = await gateway.tokens(app)
    const answer = await gateway.get(`/oauth/userinfo?access_token=${token}`)
    expect(answer.status).toBe(401)
    // RFC 6750 §3.1: who sent no token is told of no error.
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="valetkey"')
  })

  it('ends with the hour', async () => {
    const app = await gateway.app()
    const { access_token: token } = await gateway.tokens(app)
    gateway.broker.clock.now += 3_631_000
    expect(await userinfo(token)).toBe(401)
    gateway.broker.clock.now -= 3_631_000
    expect(await userinfo(token)).toBe(200)
  })

  it('ends with the grant, and with the attachment', async () => {
    const app = await gateway.app()
    const { access_token: first } = await gateway.tokens(app)
    await gateway.context.db.updateTable('grants').set({ state: 'consent_needed' }).execute()
    expect(await userinfo(first)).toBe(401)
    const { access_token: second } = await gateway.tokens(app)
    expect(await userinfo(second)).toBe(200)
    await gateway.broker.manage('DELETE', `${app.project.connectorPath}/projects/${app.project.name}`)
    expect(await userinfo(second)).toBe(401)
  })

  it('ends with the attachment also where another one still shares the grant', async () => {
    const app = await gateway.app({ userNamespace: 'shared' })
    const path = `${app.project.connectorPath}/projects/${app.project.name}`
    await gateway.broker.manage('POST', path, {
      environments: ['preview'],
      merge: true,
      userNamespace: 'shared',
    })
    const { access_token: token } = await gateway.tokens(app)
    expect(await userinfo(token)).toBe(200)
    await gateway.broker.manage('DELETE', `${path}?environment=development`, {
      environments: ['development'],
    })
    const grant = await gateway.context.db
      .selectFrom('grants')
      .select('state')
      .where('owner', '=', 'namespace/shared')
      .executeTakeFirstOrThrow()
    const left = await gateway.context.db
      .selectFrom('attachments')
      .select('environment')
      .where('user_namespace', '=', 'shared')
      .execute()
    expect([grant.state, left]).toEqual(['active', [{ environment: 'preview' }]])
    expect(await userinfo(token)).toBe(401)
  })
})

describe('POST /oauth/revoke (RFC 7009)', () => {
  it('ends the grant, here and at the provider', async () => {
    const app = await gateway.app()
    const { access_token: token } = await gateway.tokens(app)
    gateway.ended.length = 0
    expect((await revoke(app, token)).status).toBe(200)
    expect(await userinfo(token)).toBe(401)
    expect(gateway.ended).toHaveLength(1)
    // Again is no error, and ends nothing that came after.
    const { access_token: next } = await gateway.tokens(app)
    expect((await revoke(app, token)).status).toBe(200)
    expect(await userinfo(next)).toBe(200)
  })

  it('answers 200 for what is no token of the gateway', async () => {
    const app = await gateway.app()
    const { access_token: token, id_token: idToken } = await gateway.tokens(app)
    for (const other of ['nonsense', 'a.b.c', app.identity, idToken, `${token}x`, token.slice(0, -4)])
      expect([other, (await revoke(app, other)).status]).toEqual([other, 200])
    expect(await userinfo(token)).toBe(200)
  })

  it('S40 ends nothing of another client: another project, connector or environment', async () => {
    const [app, other] = [await gateway.app(), await gateway.app()]
    const { access_token: token } = await gateway.tokens(app)
    const answer = await revoke(other, token)
    expect([answer.status, (await answer.json()) as object]).toMatchObject([400, { error: 'invalid_grant' }])
    await gateway.broker.manage('POST', `${app.project.connectorPath}/projects/${app.project.name}`, {
      environments: ['preview'],
      merge: true,
    })
    const issued = await gateway.broker.manage(
      'POST',
      `/v1/projects/${app.project.name}/development-identities`,
      {
        environment: 'preview',
      },
    )
    expect((await revoke(app, token, { client_secret: String(issued.token) })).status).toBe(400)
    // The other project, attached to this connector.
    await gateway.broker.manage('POST', `${app.project.connectorPath}/projects/${other.project.name}`, {
      environments: ['development'],
    })
    expect((await revoke(app, token, { client_secret: other.identity })).status).toBe(400)
    expect(await userinfo(token)).toBe(200)
  })

  it('knows its client first', async () => {
    const app = await gateway.app()
    const { access_token: token } = await gateway.tokens(app)
    const answer = await revoke(app, token, { client_secret: 'wrong' })
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'invalid_client' }])
    const none = await gateway.post('/oauth/revoke', { client_id: app.clientId, client_secret: app.identity })
    expect(await none.json()).toMatchObject({ error: 'invalid_request' })
    expect(await userinfo(token)).toBe(200)
  })
})

describe('discovery', () => {
  it('says the same as OpenID provider and as authorization server', async () => {
    const url = gateway.context.publicUrl
    const [oidc, oauth] = await Promise.all(
      ['openid-configuration', 'oauth-authorization-server'].map(async (name) =>
        (await gateway.get(`/.well-known/${name}`)).json(),
      ),
    )
    expect(oidc).toEqual(oauth)
    expect(oidc).toMatchObject({
      issuer: url,
      jwks_uri: `${url}/oauth/jwks`,
      code_challenge_methods_supported: ['S256'],
      subject_types_supported: ['pairwise'],
      authorization_response_iss_parameter_supported: true,
    })
  })

  it('shows the public half of the key and nothing else', async () => {
    const { keys } = (await (await gateway.get('/oauth/jwks')).json()) as { keys: object[] }
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
    ])
    const { developmentKey, checkpointKey, gateway: own } = gateway.context
    expect(keys).toEqual([own.key.publicJwk])
    expect(new Set([developmentKey.kid, checkpointKey.kid, own.key.kid]).size).toBe(3)
  })
})
