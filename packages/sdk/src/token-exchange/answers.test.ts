import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectError } from '../errors/connect-error.ts'
import { UserAuthorizationRequiredError } from '../errors/refusals.ts'
import type { ConnectTokenParams } from '../request/types.ts'
import { errorOf } from '../test-support/fakes.ts'
import {
  type Answering,
  ann,
  app,
  json,
  startTokenServer,
  type TokenServer,
  token,
  type,
} from './test-server.ts'
import type { TokenExchangeConfig } from './types.ts'

let server: TokenServer
beforeAll(async () => {
  server = await startTokenServer()
})
afterAll(() => server.close())
beforeEach(() => server.reset())

const forUsers: TokenExchangeConfig = {
  target: (connector, { subject }) => ({
    audience: connector,
    ...(subject.type === 'user' ? { requestedSubject: subject.id } : {}),
  }),
}

describe('an answer of a token exchange', () => {
  it('becomes a token that says what it carries', async () => {
    server.answer = json({ ...token, token_type: 'N_A', expires_in: 300, scope: 'read' })
    const now = () => 4_000_000_000_000
    const response = await server.ask(
      { now },
      { ...app, scopes: ['read', 'write'], resources: ['https://a.example'] },
    )
    expect(response).toEqual({
      token: 'provider-token',
      expiresAt: now() + 300_000,
      connector: { id: 'api/weather', uid: 'api/weather', type: 'token-exchange' },
      requested: { scopes: ['read', 'write'], resources: ['https://a.example'], authorizationDetails: [] },
      granted: { scopes: ['read'], resources: ['https://a.example'], authorizationDetails: [] },
    })
  })

  it('grants what was asked for where it names no scope, and a minute where it names no end', async () => {
    server.answer = json(token)
    const before = Date.now()
    const { expiresAt, granted } = await server.ask({}, { ...app, scopes: ['read'] })
    expect(granted?.scopes).toEqual(['read'])
    expect(expiresAt).toBeGreaterThanOrEqual(before + 60_000)
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 60_000)
  })

  it('may hold an ID token and a refresh token, which nobody asked for', async () => {
    server.answer = json({ ...token, expires_in: 60, id_token: 'a.b.c', refresh_token: 'secret' })
    expect(JSON.stringify(await server.ask())).not.toContain('secret')
  })

  const asksDetails = { ...app, authorizationDetails: [{ type: 'x' }] }
  const lies: [string, Answering, ConnectTokenParams?][] = [
    ['is bound to a key', json({ ...token, token_type: 'DPoP', expires_in: 60 })],
    ['is of an unknown kind', json({ ...token, token_type: 'mac', expires_in: 60 })],
    [
      'is of another type than asked for',
      json({ ...token, issued_token_type: `${type}:refresh_token`, expires_in: 60 }),
    ],
    ['ignores the details asked for', json({ ...token, expires_in: 60 }), asksDetails],
    ['holds no token', json({ ...token, access_token: undefined, expires_in: 60 })],
    ['has expired', json({ ...token, expires_in: 0 })],
    ['ends before it began', json({ ...token, expires_in: -5 })],
    ['ends at no number', json({ ...token, expires_in: 'soon' })],
    ['has scopes that are no text', json({ ...token, expires_in: 60, scope: ['read'] })],
    ['is no JSON', (response) => response.end('<html>secret-value</html>')],
    ['is a list', json([token])],
    ['is empty', (response) => response.end()],
    ['has no content', (response) => response.writeHead(204).end()],
    ['is huge', json({ ...token, expires_in: 60, pad: 'secret-value'.repeat(30_000) })],
    ['is a redirect', (response) => response.writeHead(307, { location: `${server.url}/other` }).end()],
  ]
  it.each(lies)('S36 that %s gives invalid_response', async (_what, lie, params) => {
    server.answer = lie
    const error = await errorOf(server.ask({ requestedTokenType: `${type}:access_token` }, params))
    expect(error).toMatchObject({ code: 'invalid_response', retryable: false })
    expect(`${error.message} ${String(error.cause)} ${error.stack}`).not.toMatch(/secret-|provider-token/)
    expect(server.seen).toHaveLength(1)
  })
})

describe('a refusal of a token exchange', () => {
  const refusals: [number, string, string, ConnectError['code'], ConnectTokenParams?][] = [
    [400, 'invalid_target', '', 'forbidden'],
    [400, 'unauthorized_client', '', 'forbidden'],
    [403, 'access_denied', '', 'forbidden'],
    [400, 'access_denied', '', 'provider_refused'],
    [400, 'invalid_scope', '', 'above_ceiling'],
    [400, 'invalid_authorization_details', '', 'above_ceiling'],
    [400, 'invalid_grant', '', 'identity_invalid'],
    [401, 'invalid_client', '', 'identity_invalid'],
    [400, 'invalid_request', 'subject_token: The identity was not accepted', 'identity_invalid'],
    [400, 'invalid_request', 'subject_token: The identity has expired: obtain a new one', 'identity_expired'],
    [400, 'invalid_request', 'subject_token_type must be another', 'invalid_request'],
    [400, 'invalid_request', 'audience is missing', 'invalid_request'],
    [413, 'invalid_request', '', 'too_large'],
    [400, 'unsupported_grant_type', '', 'invalid_request'],
    [400, 'interaction_required', 'The user has to consent first', 'user_authorization_required', ann],
    [400, 'interaction_required', 'The app is not installed there', 'connector_installation_required', ann],
    [400, 'interaction_required', '', 'connector_installation_required'],
    [404, 'no such page', '', 'not_found'],
  ]
  it.each(refusals)('of %i %s "%s" is %s, once', async (status, error, description, code, params) => {
    server.answer = json({ error, error_description: `${description} secret-value` }, status, {
      'x-request-id': 'req_1',
    })
    const refusal = await errorOf(server.ask(forUsers, params))
    expect(refusal).toMatchObject({
      code,
      status,
      requestId: 'req_1',
      connector: 'api/weather',
      retryable: false,
    })
    expect(`${refusal.message} ${JSON.stringify(refusal)}`).not.toContain('secret-value')
    expect(server.seen).toHaveLength(1)
  })

  it('for want of consent says for which request', async () => {
    server.answer = json({ error: 'interaction_required' }, 400)
    const error = await errorOf(server.ask(forUsers, { ...ann, scopes: ['read'], validityBufferMs: 5 }))
    expect(error).toBeInstanceOf(UserAuthorizationRequiredError)
    expect(error).toMatchObject({ params: { ...ann, scopes: ['read'] } })
  })

  it('that will pass is asked again, and is the last answer if it does not', async () => {
    server.answer = (response, one) =>
      server.seen.length < 3
        ? json({ error: 'temporarily_unavailable' }, server.seen.length === 1 ? 429 : 503)(response, one)
        : json({ ...token, expires_in: 60 })(response, one)
    expect((await server.ask()).token).toBe('provider-token')
    server.answer = json({ error: 'temporarily_unavailable' }, 429, { 'retry-after': '60' })
    expect(await errorOf(server.ask())).toMatchObject({ code: 'rate_limited', retryable: true, status: 429 })
    server.answer = json({ error: 'server_error' }, 500)
    expect(await errorOf(server.ask())).toMatchObject({ code: 'unavailable', retryable: true, status: 500 })
  })
})
