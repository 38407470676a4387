import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ada, challenge, startTestGateway, type TestApp, type TestGateway } from './test-gateway.ts'

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

/** Where an answer sends the browser: the parameters, if it is the app's own redirect URI. */
function returned(answer: Response): Record<string, string> {
  const location = answer.headers.get('location') ?? ''
  expect(location.startsWith(`${app.redirectUri}?`)).toBe(true)
  return Object.fromEntries(new URL(location).searchParams)
}

const requests = async () =>
  (await gateway.context.db.selectFrom('consent_requests').select('id').execute()).length

describe('GET /oauth/authorize', () => {
  it('sends the browser to the consent page of a new request', async () => {
    const answer = await gateway.authorize(app)
    expect(answer.status).toBe(303)
    const location = answer.headers.get('location') ?? ''
    expect(location).toMatch(new RegExp(`^${gateway.context.publicUrl}/consent/ask_[\\w-]+$`))
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const row = await gateway.context.db
      .selectFrom('consent_requests')
      .selectAll()
      .where('id', '=', location.split('/').at(-1) ?? '')
      .executeTakeFirstOrThrow()
    expect(row).toMatchObject({
      kind: 'sign_in',
      binding: 'complete',
      gateway: {
        redirectUri: app.redirectUri,
        codeChallenge: challenge,
        scopes: ['openid', 'profile', 'email'],
        state: 'state of the app',
        nonce: 'n-1',
      },
    })
  })

  it('takes the connector by its id too, and passes a prompt on', async () => {
    const { id } = await gateway.broker.manage('GET', app.project.connectorPath)
    const answer = await gateway.authorize(app, { client_id: String(id), prompt: 'select_account' })
    expect(answer.headers.get('location')).toContain('/consent/')
  })

  it('S41 redirects to no URI but those registered, byte for byte', async () => {
    const before = await requests()
    const other = await gateway.app()
    const foreign = [
      ...['https://evil.example/callback', `${app.redirectUri}/`, `${app.redirectUri}/more`],
      ...[`${app.redirectUri}?a=b`, `${app.redirectUri}#f`, app.redirectUri.slice(0, -1)],
      app.redirectUri.replace('https://app', 'HTTPS://APP'),
      app.redirectUri.replace('/callback', '/CALLBACK'),
      app.redirectUri.replace('/callback', '/%63allback'),
      app.redirectUri.replace('.example', '.example:443'),
      app.redirectUri.replace('https:', 'http:'),
      app.redirectUri.replace('https://', 'https://user@'),
      ...[
        ` ${app.redirectUri}`,
        `${app.redirectUri}\n`,
        `${app.redirectUri}.evil.example`,
        other.redirectUri,
      ],
    ]
    for (const uri of foreign) {
      const answer = await gateway.authorize(app, { redirect_uri: uri })
      expect([uri, answer.status, answer.headers.get('location')]).toEqual([uri, 400, null])
      const text = await answer.text()
      expect(text).toContain('not registered')
      expect(text).not.toContain('evil.example')
    }
    expect(await requests()).toBe(before)
  })

  it.each([
    ['an unknown client', { client_id: 'fake/nobody' }],
    ['no client', { client_id: undefined }],
    ['no redirect URI', { redirect_uri: undefined }],
    ['a client that was renamed by case', { client_id: 'FAKE/p1' }],
  ])('S41 shows a page and redirects nowhere for %s', async (_what, changes) => {
    const answer = await gateway.authorize(app, changes)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('location')).toBeNull()
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  it('S41 shows a page when client or redirect URI is there twice', async () => {
    const answer = await gateway.authorize(app)
    expect(answer.status).toBe(303)
    for (const name of ['client_id', 'redirect_uri']) {
      const query = new URLSearchParams({ client_id: app.clientId, redirect_uri: app.redirectUri })
      query.append(name, 'https://evil.example/')
      const twice = await gateway.get(`/oauth/authorize?${query}`)
      expect([twice.status, twice.headers.get('location')]).toEqual([400, null])
    }
  })

  it.each([
    ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    [
      'a challenge without a method, which means plain',
      { code_challenge_method: undefined },
      'invalid_request',
    ],
    ['a method of another case', { code_challenge_method: 's256' }, 'invalid_request'],
    ['a challenge that is none', { code_challenge: 'short' }, 'invalid_request'],
    ['the implicit flow', { response_type: 'id_token' }, 'unsupported_response_type'],
    ['the hybrid flow', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['no response type', { response_type: undefined }, 'invalid_request'],
    ['an answer in a fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['a request object', { request: 'e.y.j' }, 'request_not_supported'],
    ['a request by reference', { request_uri: 'https://evil.example/r' }, 'request_uri_not_supported'],
    ['a sign-in that nobody is to see', { prompt: 'none' }, 'interaction_required'],
    ['an unknown prompt', { prompt: 'evil=1' }, 'invalid_request'],
    ['max_age', { max_age: '0' }, 'invalid_request'],
    ['scopes without openid', { scope: 'email' }, 'invalid_scope'],
    ['a nonce that is a book', { nonce: 'n'.repeat(2_049) }, 'invalid_request'],
  ])('S06 sends %s back to the app as an error, with state and iss', async (_what, changes, error) => {
    const before = await requests()
    expect(returned(await gateway.authorize(app, changes))).toEqual({
      error,
      error_description: expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/),
      state: 'state of the app',
      iss: gateway.context.publicUrl,
    })
    expect(await requests()).toBe(before)
  })

  it('sends a repeated parameter back, and a repeated state not at all', async () => {
    const query = new URLSearchParams({
      client_id: app.clientId,
      redirect_uri: app.redirectUri,
      state: 'one',
    })
    query.append('nonce', 'a')
    query.append('nonce', 'b')
    expect(returned(await gateway.get(`/oauth/authorize?${query}`))).toMatchObject({
      error: 'invalid_request',
      state: 'one',
    })
    query.append('state', 'two')
    expect(returned(await gateway.get(`/oauth/authorize?${query}`)).state).toBeUndefined()
  })

  it('S29 leaves no event of the trail before anybody clicked', async () => {
    const events = async () =>
      (await gateway.context.db.selectFrom('audit_events').select('kind').execute()).filter(
        ({ kind }) => kind === 'consent_begun',
      ).length
    const before = await events()
    for (let n = 0; n < 3; n++) expect((await gateway.authorize(app)).status).toBe(303)
    expect(await events()).toBe(before)
  })

  it('begins nothing where the attachment admits no users', async () => {
    const only = await gateway.app({ subjects: ['app'] })
    const answer = await gateway.authorize(only)
    const { searchParams } = new URL(answer.headers.get('location') ?? '')
    expect(searchParams.get('error')).toBe('unauthorized_client')
  })

  it('ignores scopes it does not know, as OpenID Connect wants, and says which count', async () => {
    const code = (await gateway.signIn(app, { scope: 'openid offline_access email' })).get('code') ?? ''
    const { body } = await gateway.redeem(app, code)
    expect(body).toMatchObject({ scope: 'openid email', token_type: 'Bearer', expires_in: 3_600 })
    expect(body).not.toHaveProperty('refresh_token')
  })
})

describe('the way back', () => {
  it('brings a code, the state and iss (RFC 9207)', async () => {
    const back = await gateway.signIn(app)
    expect([...back.keys()].sort()).toEqual(['code', 'iss', 'state'])
    expect(back.get('code')).toMatch(/^ask_[\w-]+\.[\w-]{43}$/)
    expect(back.get('state')).toBe('state of the app')
    expect(back.get('iss')).toBe(gateway.context.publicUrl)
  })

  it('keeps the query that a redirect URI was registered with', async () => {
    const project = await gateway.broker.project({ redirectUris: ['https://query.example/cb?tenant=1'] })
    const issued = await gateway.broker.manage(
      'POST',
      `/v1/projects/${project.name}/development-identities`,
      {
        environment: 'development',
      },
    )
    const back = await gateway.signIn({
      project,
      clientId: `fake/${project.name}`,
      identity: String(issued.token),
      redirectUri: 'https://query.example/cb?tenant=1',
    })
    expect([...back.keys()].sort()).toEqual(['code', 'iss', 'state', 'tenant'])
  })

  it('brings an error where the provider named nobody', async () => {
    gateway.person = {}
    const back = await gateway.signIn(app)
    expect(back.get('error')).toBe('server_error')
    expect(back.get('code')).toBeNull()
    expect(back.get('iss')).toBe(gateway.context.publicUrl)
  })
})
