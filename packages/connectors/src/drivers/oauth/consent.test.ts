import { afterEach, describe, expect, test } from 'vitest'
import type { ConsentStart } from '../../consent.ts'
import { ProviderFault } from '../../driver.ts'
import { maxAnswerBytes } from '../../http.ts'
import type { FakeAnswer } from '../../test-server.ts'
import {
  access,
  closeFakes,
  consent,
  fake,
  finishWith,
  now,
  settingsAt,
  start,
  upstreamWords,
} from './test-connector.ts'

afterEach(closeFakes)

describe('starting', () => {
  const begin = async (changes: Partial<ConsentStart> = {}, data: object = {}) => {
    const started = await consent.start(
      settingsAt('https://as.example', data),
      { ...start, ...changes },
      access,
    )
    if ('outcome' in started) return started
    return { ...started, query: new URL(started.url).searchParams }
  }

  test('always asks for a code with PKCE by S256 and the state', async () => {
    const started = await begin({ resources: ['https://a.example', 'https://b.example'], prompt: 'consent' })
    if (!('query' in started)) throw new Error(started.message)
    expect(Object.fromEntries(started.query)).toMatchObject({
      response_type: 'code',
      client_id: 'client-1',
      redirect_uri: start.redirectUri,
      state: 'the-state',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
      scope: 'read',
      prompt: 'consent',
    })
    expect(started.query.getAll('resource')).toEqual(['https://a.example', 'https://b.example'])
    expect(started.url).not.toContain(String(started.pending.verifier))
  })

  test('sends authorization details, audience and what the operator added', async () => {
    const started = await begin(
      { authorizationDetails: [{ type: 'payment', amount: '1' }] },
      { defaultAudience: 'api', authorizationUrlParams: { access_type: 'offline' } },
    )
    if (!('query' in started)) throw new Error(started.message)
    expect(started.query.get('authorization_details')).toBe('[{"type":"payment","amount":"1"}]')
    expect(started.query.get('audience')).toBe('api')
    expect(started.query.get('access_type')).toBe('offline')
  })

  test('joins scopes as the provider wants them', async () => {
    const quirks = { scopeSeparator: ',', scopeParameter: 'user_scope' }
    const started = await begin({ scopes: ['a', 'b'] }, { quirks })
    if (!('query' in started)) throw new Error(started.message)
    expect(started.query.get('user_scope')).toBe('a,b')
    expect(started.query.has('scope')).toBe(false)
  })

  const issuer = 'https://as.example'
  test.each([
    ['a server that says nothing of scopes', { issuer }, 'openid profile email read'],
    ['a server that knows no profile', { issuer, scopesSupported: ['openid', 'email'] }, 'openid email read'],
    ['a server that names no issuer', {}, 'read'],
  ])('asks %s who signs in, as far as it knows such scopes', async (_what, server, scope) => {
    const serverConfig = { authorizationEndpoint: `${issuer}/a`, tokenEndpoint: `${issuer}/t`, ...server }
    const started = await begin({ signIn: true }, { serverConfig })
    if (!('query' in started)) throw new Error(started.message)
    expect(started.query.get('scope')).toBe(scope)
    const plain = await begin({}, { serverConfig })
    expect('query' in plain && plain.query.get('scope')).toBe('read')
  })

  test.each([
    'state',
    'redirect_uri',
    'code_challenge',
    'code_challenge_method',
    'scope',
    'resource',
    'nonce',
    'user_scope',
    'code_verifier',
    'grant_type',
    'iss',
    'dpop_jkt',
  ])('lets no caller set %s', async (name) => {
    for (const spelled of [name, name.toUpperCase(), ` ${name}`])
      expect(await begin({ additionalParams: { [spelled]: 'x' } })).toMatchObject({
        reason: 'invalid_request',
      })
  })

  test('refuses what is not enabled, by the name of the setting', async () => {
    const refusal = await begin({}, { userAuthorization: { enabled: false } })
    expect(refusal).toMatchObject({ message: expect.stringContaining('userAuthorization') })
    expect(await begin({ kind: 'installation' })).toMatchObject({ reason: 'invalid_request' })
  })
})

describe('finishing', () => {
  const fine = { json: { access_token: 'at-1', token_type: 'Bearer', expires_in: 60 } }
  const good = 'state=the-state&code=c-1'

  test('redeems the code once, with the verifier and the registered address', async () => {
    const { finished, seen } = await finishWith(fine, good)
    expect(finished).toMatchObject({
      outcome: 'granted',
      credential: { accessToken: 'at-1', accessExpiresAtMs: now + 60_000, granted: { scopes: ['read'] } },
      identity: {},
    })
    expect(seen).toHaveLength(1)
    const sent = new URLSearchParams(seen[0]?.body)
    expect(sent.get('redirect_uri')).toBe(start.redirectUri)
    expect(sent.get('code_verifier')).toMatch(/^[\w-]{43}$/)
    expect(seen[0]?.headers.authorization).toMatch(/^Basic /)
  })

  test.each([
    ['another state', 'state=other&code=c-1'],
    ['no state', 'code=c-1'],
    ['both an error and a code', 'state=the-state&code=c-1&error=access_denied'],
    ['two codes', 'state=the-state&code=c-1&code=c-2'],
    ['two states', 'state=the-state&state=other&code=c-1'],
    ['neither', 'state=the-state'],
    ['an empty code', 'state=the-state&code='],
    [
      'another error',
      `state=the-state&error=server_error&error_description=${encodeURIComponent(upstreamWords)}`,
    ],
    ['no iss though promised', good],
    ['a wrong iss', `${good}&iss=https://attacker.example`],
    ['an iss with a slash more', `${good}&iss=https://as.example/`],
  ])('sends nothing anywhere for a callback with %s', async (what, query) => {
    const serverConfig = (url: string) => ({
      issuer: 'https://as.example',
      authorizationEndpoint: `${url}/authorize`,
      tokenEndpoint: `${url}/token`,
      ...(what.startsWith('no iss') ? { authorizationResponseIssParameterSupported: true } : {}),
    })
    const server = await fake({ '/token': fine })
    const settings = settingsAt(server.url, { serverConfig: serverConfig(server.url) })
    const pending = { verifier: 'v'.repeat(43) }
    const url = new URL(`${start.redirectUri}?${query}`)
    const finished = await consent.finish(settings, { url, start, pending }, access)
    expect(finished).toMatchObject({ outcome: 'refused', reason: 'provider_refused' })
    expect(JSON.stringify(finished)).not.toContain('upstream')
    expect(server.seen).toEqual([])
  })

  test('a person who says no is told from everything else', async () => {
    const { finished } = await finishWith(fine, 'state=the-state&error=access_denied')
    expect(finished).toMatchObject({ outcome: 'refused', reason: 'denied' })
  })

  test.each([
    ['an error page', { raw: (response) => void response.end('<html>rt-leaked') }],
    ['nothing', { status: 200 }],
    ['null', { json: null }],
    ['a token that is no text', { json: { access_token: 7, token_type: 'bearer' } }],
    ['another kind of token', { json: { access_token: 'a', token_type: 'mac' } }],
    ['a 404', { status: 404, json: { message: upstreamWords } }],
    ['a 500', { status: 500, json: { error: 'invalid_grant' } }],
    ['a redirect', { status: 307, headers: { location: '/elsewhere' } }],
    ['a fault in its own words', { json: { ok: false, error: 'temporarily_unavailable' } }],
    ['too much', { raw: (response) => void response.end(`"${'x'.repeat(maxAnswerBytes)}"`) }],
  ] satisfies [string, FakeAnswer][])(
    '%s from the token endpoint is a fault that quotes nothing',
    async (_what, answer) => {
      const { finished, seen } = await finishWith(answer, good)
      expect(finished).toBeInstanceOf(ProviderFault)
      const said = finished instanceof Error ? `${finished.message}${finished.stack}${finished.cause}` : ''
      expect(said).not.toMatch(/rt-leaked|client-secret|c-1|undefined\b.*at-/)
      expect(seen).toHaveLength(1)
    },
  )

  test.each([
    ['a 400', { status: 400, json: { error: 'invalid_grant', error_description: upstreamWords } }],
    ['a 200', { json: { error: 'invalid_grant', error_description: upstreamWords } }],
    ['a 200 that is not ok', { json: { ok: false, error: upstreamWords } }],
    ['a 401 without a word', { status: 401 }],
    [
      'a challenge',
      {
        status: 401,
        headers: { 'www-authenticate': 'Basic realm="rt-leaked"' },
        json: { error: 'invalid_client' },
      },
    ],
  ] satisfies [string, FakeAnswer][])(
    'a definite no in %s is one, and quotes nothing',
    async (_what, answer) => {
      const { finished } = await finishWith(answer, good)
      expect(finished).toMatchObject({ outcome: 'refused', reason: 'provider_refused' })
      expect(JSON.stringify(finished)).not.toMatch(/upstream|rt-leaked/)
    },
  )

  test('reads a form, scopes in the provider’s own separator, and a life in text', async () => {
    const body = 'access_token=at-1&token_type=bearer&scope=b%2Ca&expires_in=60&refresh_token=rt-1'
    const form: FakeAnswer = {
      raw: (response) => {
        response.setHeader('content-type', 'application/x-www-form-urlencoded; charset=utf-8')
        response.end(body)
      },
    }
    const { finished } = await finishWith(form, good, { quirks: { scopeSeparator: ',' } })
    expect(finished).toMatchObject({
      credential: { accessExpiresAtMs: now + 60_000, refreshToken: 'rt-1', granted: { scopes: ['a', 'b'] } },
    })
  })

  test('takes the tokens from where the provider puts them', async () => {
    const json = { access_token: 'xoxb-app', authed_user: { access_token: 'xoxp-1', token_type: 'user' } }
    const { finished } = await finishWith({ json }, good, { quirks: { tokenMember: 'authed_user' } })
    expect(finished).toMatchObject({ credential: { accessToken: 'xoxp-1' } })
    const { finished: without } = await finishWith({ json: { access_token: 'xoxb-app' } }, good, {
      quirks: { tokenMember: 'authed_user' },
    })
    expect(without).toBeInstanceOf(ProviderFault)
  })

  test.each([[undefined], [null], [0], ['']])(
    'an answer whose life is %j has the configured one',
    async (life) => {
      const json = { access_token: 'at-1', token_type: 'bearer', expires_in: life }
      const configured = await finishWith({ json }, good, { defaultTokenExpiresInSeconds: 600 })
      expect(configured.finished).toMatchObject({ credential: { accessExpiresAtMs: now + 600_000 } })
      const unknown = await finishWith({ json }, good)
      expect(unknown.finished).toMatchObject({ credential: { accessExpiresAtMs: null } })
    },
  )

  test('speaks JSON, with more parameters, where that is what the provider takes', async () => {
    const quirks = { tokenRequestBody: 'json', tokenRequestParams: { owner: 'user' } }
    const { seen } = await finishWith(fine, good, { quirks })
    expect(seen[0]?.headers['content-type']).toBe('application/json')
    expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ code: 'c-1', owner: 'user' })
  })

  test('who consented is asked of userinfo; a broken userinfo loses no grant', async () => {
    for (const [answer, identity] of [
      [{ json: { sub: 's-1', email: 'a@b.example', email_verified: 'true' } }, { externalSubject: 's-1' }],
      [{ status: 500 }, {}],
    ] satisfies [FakeAnswer, object][]) {
      const server = await fake({ '/token': fine, '/me': answer })
      const serverConfig = {
        authorizationEndpoint: `${server.url}/authorize`,
        tokenEndpoint: `${server.url}/token`,
        userinfoEndpoint: `${server.url}/me`,
      }
      const url = new URL(`${start.redirectUri}?${good}`)
      const callback = { url, start, pending: { verifier: 'v'.repeat(43) } }
      const finished = await consent.finish(settingsAt(server.url, { serverConfig }), callback, access)
      expect(finished).toMatchObject({ outcome: 'granted', identity })
      const vouched = consent.finish(
        settingsAt(server.url, { serverConfig }),
        { ...callback, start: { ...start, signIn: true } },
        access,
      )
      if ('status' in answer) await expect(vouched).rejects.toThrow(ProviderFault)
      // Only a real `true` is one.
      else expect(await vouched).toMatchObject({ identity: { claims: { email: 'a@b.example' } } })
      if (!('status' in answer)) expect(JSON.stringify(await vouched)).not.toContain('emailVerified')
    }
  })
})
