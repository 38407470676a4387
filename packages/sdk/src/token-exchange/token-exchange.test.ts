import type { TokenRequest } from '@valetkey/protocol'
import { exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { getTokenResponseIn } from '../calls/get-token.ts'
import { requestRevocation } from '../calls/request-revocation.ts'
import { checkCallOptions } from '../request/call-options.ts'
import { checkSubject } from '../request/subject.ts'
import type { ConnectTokenParams } from '../request/types.ts'
import { errorOf, errorThrownBy, testContext } from '../test-support/fakes.ts'
import { tokenExchange } from './index.ts'
import { ann, app, json, startTokenServer, type TokenServer, token, type } from './test-server.ts'
import type { TokenExchangeConfig } from './types.ts'

let server: TokenServer
beforeAll(async () => {
  server = await startTokenServer()
})
afterAll(() => server.close())
beforeEach(() => server.reset())

const calls = (path: string): number => server.seen.filter((one) => one.path === path).length

describe('a request of a token exchange', () => {
  it('carries the identity, the connector and what narrows the token', async () => {
    const details = [{ repositories: ['acme/website'], type: 'github_app_installation' }]
    server.answer = json({ ...token, expires_in: 3600, authorization_details: details })
    await server.ask(
      {},
      {
        ...app,
        scopes: ['read', 'write'],
        resources: ['https://a.example', 'https://b.example'],
        authorizationDetails: details,
      },
    )
    expect([...(server.seen[0]?.form ?? [])]).toEqual([
      ['subject_token', server.identity],
      ['subject_token_type', `${type}:id_token`],
      ['audience', 'api/weather'],
      ['resource', 'https://a.example'],
      ['resource', 'https://b.example'],
      ['scope', 'read write'],
      ['authorization_details', JSON.stringify(details)],
      ['grant_type', 'urn:ietf:params:oauth:grant-type:token-exchange'],
    ])
    expect(server.seen[0]?.authorization).toBeUndefined()
  })

  it('names what the settings name instead of the connector', async () => {
    const target = (connector: string, request: TokenRequest) =>
      connector === 'api/weather'
        ? {
            audience: ['weather-client', 'weather'],
            resource: 'https://weather.example',
            scope: 'read audit',
            ...(request.subject.type === 'user' ? { requestedSubject: `users/${request.subject.id}` } : {}),
          }
        : undefined
    const types = { subjectTokenType: `${type}:jwt`, requestedTokenType: `${type}:access_token` }
    await server.ask({ target, ...types }, { ...ann, scopes: ['read', 'write'] })
    const form = server.seen[0]?.form
    expect(form?.getAll('audience')).toEqual(['weather-client', 'weather'])
    expect(form?.getAll('resource')).toEqual(['https://weather.example'])
    expect(form?.get('scope')).toBe('read audit write')
    expect(form?.get('requested_subject')).toBe('users/ann')
    expect(form?.get('subject_token_type')).toBe(`${type}:jwt`)
    expect(form?.get('requested_token_type')).toBe(`${type}:access_token`)
    expect(await errorOf(server.ask({ target }, app, 'api/other'))).toMatchObject({ code: 'forbidden' })
  })

  it('carries the trace of the call', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await tokenExchange({ tokenEndpoint: `${server.url}/token` }).issueToken('c', app, {
      fetch: globalThis.fetch,
      signal: AbortSignal.timeout(5_000),
      remainingMs: () => 5_000,
      credential: server.identity,
      traceHeaders: { traceparent },
    })
    expect(server.seen).toMatchObject([{ traceparent }])
  })

  const audienceOnly = { target: () => ({ audience: 'x' }) }
  const inexpressible: [string, ConnectTokenParams, TokenExchangeConfig?][] = [
    ['an installation', { ...app, installationId: '7' }],
    ['an audience of its own', { ...app, audience: ['x'] }],
    ['S15 a user, to a server that may not know users', ann],
    ['a jwt-bearer subject', { subject: { type: 'jwt-bearer', sub: 'ann' } }],
    ['a token subject', { subject: { type: 'token', token: 'secret-token' } }],
    ['a scope with a space', { ...app, scopes: ['read write'] }],
    ['S15 a user whom the settings do not name to a server without connectors', ann, audienceOnly],
    ['S15 a user named for an app', app, { target: () => ({ audience: 'x', requestedSubject: 'ann' }) }],
    ['a target of nothing', app, { target: () => ({}) }],
    ['a target with a foreign key', app, { target: () => ({ audience: 'x', actor: 'y' }) as never }],
    [
      'a target that throws',
      app,
      {
        target: () => {
          throw new Error('secret-value')
        },
      },
    ],
  ]
  it.each(inexpressible)(
    'is not sent with %s, for which there is no parameter',
    async (_what, params, config) => {
      const error = await errorOf(server.ask(config, params))
      expect(error).toMatchObject({ code: 'invalid_request', retryable: false })
      expect(`${error.stack}`).not.toContain('secret-')
      expect(server.seen).toEqual([])
    },
  )

  it('is not sent with an identity that is no JWT', async () => {
    const issuingPoint = tokenExchange({ issuer: server.url })
    const context = testContext({ issuingPoint, identity: 'vk_access_token' })
    expect((await errorOf(getTokenResponseIn(context, 'c', app, {}))).code).toBe('identity_unavailable')
    expect(server.seen).toEqual([])
  })
})

describe('a client of a token exchange', () => {
  const named = { clientId: 'agent:1', clientSecret: 'the secret/1' }

  it('authenticates by Basic where it has a secret, or in the body', async () => {
    await server.ask(named)
    expect(server.seen[0]?.authorization).toBe(`Basic ${btoa('agent%3A1:the+secret%2F1')}`)
    expect(server.seen[0]?.form.has('client_secret')).toBe(false)
    await server.ask({ ...named, clientAuthentication: 'client_secret_post' })
    expect(server.seen[1]?.authorization).toBeUndefined()
    expect(Object.fromEntries(server.seen[1]?.form ?? [])).toMatchObject({
      client_id: 'agent:1',
      client_secret: 'the secret/1',
    })
    await server.ask({ clientId: 'agent' })
    expect(server.seen[2]?.form.get('client_id')).toBe('agent')
  })

  it('signs another assertion for every attempt', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const key = await importJWK(await exportJWK(publicKey), 'ES256')
    server.answer = (response, one) =>
      json(
        server.seen.length === 1 ? {} : { ...token, expires_in: 60 },
        server.seen.length === 1 ? 503 : 200,
      )(response, one)
    await server.ask({
      issuer: server.url,
      tokenEndpoint: `${server.url}/token`,
      clientId: 'agent',
      clientKey: { key: privateKey, kid: 'k1' },
    })
    const ids = await Promise.all(
      server.seen.map(async ({ form }) => {
        const assertion = form.get('client_assertion') ?? ''
        const { payload, protectedHeader } = await jwtVerify(assertion, key, {
          audience: server.url,
          issuer: 'agent',
        })
        expect(protectedHeader.kid).toBe('k1')
        return payload.jti
      }),
    )
    expect(new Set(ids).size).toBe(2)
  })

  it('is refused at once with settings that contradict each other, which are named and not quoted', async () => {
    const { publicKey } = await generateKeyPair('ES256')
    const issuer = 'https://issuer.example'
    const wrong: [unknown, string][] = [
      [undefined, 'config'],
      [{}, 'config.issuer'],
      [{ issuer, secret: 'secret-value' }, 'Unknown key "secret"'],
      [{ issuer: 'http://secret-value.example' }, 'config.issuer'],
      [{ issuer: `${issuer}/.well-known/openid-configuration` }, 'config.issuer'],
      [{ issuer, tokenEndpoint: 'ftp://secret-value.example' }, 'config.tokenEndpoint'],
      [{ issuer, clientSecret: 'secret-value' }, 'config.clientId'],
      [{ issuer, clientId: '' }, 'config.clientId'],
      [{ issuer, clientId: 'a', clientKey: publicKey }, 'config.clientKey'],
      [{ issuer, clientId: 'a', clientKey: 'secret-value' }, 'config.clientKey'],
      [{ issuer, clientId: 'a', clientKey: publicKey, clientSecret: 'secret-value' }, 'exclude each other'],
      [{ issuer, clientId: 'a', clientAuthentication: 'client_secret_post' }, 'config.clientSecret'],
      [
        { issuer, clientId: 'a', clientSecret: 'secret-value', clientAuthentication: 'none' },
        'config.clientAuthentication',
      ],
      [{ issuer, clientId: 'a', clientAuthentication: 'secret-value' }, 'config.clientAuthentication'],
      [{ issuer, subjectTokenType: 'secret-value' }, 'config.subjectTokenType'],
      [{ issuer, target: 'secret-value' }, 'config.target'],
    ]
    for (const [config, name] of wrong) {
      const error = errorThrownBy(() => tokenExchange(config as TokenExchangeConfig))
      expect(error.code).toBe('invalid_request')
      expect(error.message).toContain(name)
      expect(error.stack).not.toContain('secret-value')
    }
  })
})

describe('a server known by its issuer', () => {
  it('is looked up once for all calls that need it, by OpenID or by OAuth metadata', async () => {
    server.metadata = (response, one) =>
      one.path.endsWith('/.well-known/openid-configuration')
        ? json({}, 404)(response, one)
        : json({ issuer: server.url, token_endpoint: `${server.url}/token` })(response, one)
    const context = server.context({ issuer: server.url })
    await Promise.all(['a', 'b', 'c'].map((connector) => getTokenResponseIn(context, connector, app, {})))
    await getTokenResponseIn(context, 'd', app, {})
    expect(calls('/.well-known/openid-configuration')).toBe(1)
    expect(calls('/.well-known/oauth-authorization-server')).toBe(1)
    expect(calls('/token')).toBe(4)
  })

  it('is looked up again after a failure, and one caller leaving does not end it for the others', async () => {
    const context = server.context({ issuer: server.url })
    server.metadata = json({}, 500)
    expect((await errorOf(getTokenResponseIn(context, 'a', app, {}))).code).toBe('unavailable')

    const held: (() => void)[] = []
    server.metadata = (response, one) =>
      void held.push(() => json({ issuer: server.url, token_endpoint: `${server.url}/token` })(response, one))
    const controller = new AbortController()
    const leaving = errorOf(getTokenResponseIn(context, 'a', app, { signal: controller.signal }))
    const staying = getTokenResponseIn(context, 'b', app, {})
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    expect((await leaving).code).toBe('aborted')
    for (const release of held) release()
    expect((await staying).token).toBe('provider-token')
    expect(held).toHaveLength(1)
  })

  it.each([
    ['of another issuer', () => ({ issuer: 'https://other.example', token_endpoint: `${server.url}/token` })],
    ['without a token endpoint', () => ({ issuer: server.url })],
    [
      'S14 with a token endpoint elsewhere',
      () => ({ issuer: server.url, token_endpoint: 'https://other.example/token' }),
    ],
    ['that is no metadata', () => 'secret-value'],
  ])('is not asked for a token with metadata %s', async (_what, document) => {
    server.metadata = json(document())
    const error = await errorOf(server.ask({ issuer: server.url }))
    expect(error).toMatchObject({ code: 'invalid_response', retryable: false })
    expect(error.stack).not.toContain('secret-value')
    expect(calls('/token')).toBe(0)
  })

  it('is told apart from where it is asked: credentials belong to the origin of the endpoint', () => {
    const apart = { issuer: 'https://id.example/tenant/', tokenEndpoint: 'https://token.example/exchange' }
    expect(tokenExchange(apart)).toMatchObject({
      id: 'https://id.example/tenant',
      audience: 'https://id.example/tenant',
      origin: 'https://token.example',
    })
    expect(tokenExchange({ tokenEndpoint: apart.tokenEndpoint })).toMatchObject({
      id: apart.tokenEndpoint,
      audience: 'https://token.example',
    })
    expect(tokenExchange({ ...apart, audience: 'exchange' }).audience).toBe('exchange')
  })

  it('revokes nothing, and says so', async () => {
    const context = server.context({ issuer: server.url })
    const revoking = requestRevocation(
      context,
      'c',
      checkSubject(app.subject),
      undefined,
      checkCallOptions(undefined),
    )
    expect(await errorOf(revoking)).toMatchObject({ code: 'invalid_request', connector: 'c' })
    expect(server.seen).toEqual([])
  })
})
