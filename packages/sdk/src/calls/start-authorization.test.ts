import { describe, expect, it } from 'vitest'
import { UserAuthorizationRequiredError } from '../errors/refusals.ts'
import { refusal, startAnswer } from '../test-support/consent.ts'
import { errorOf, fakeFetch, jwt, testContext } from '../test-support/fakes.ts'
import { getTokenIn } from './get-token.ts'
import { startAuthorizationIn } from './start-authorization.ts'
import { startInstallationIn } from './start-installation.ts'

const alice = { subject: { type: 'user', id: 'alice' } } as const
const starting = () => fakeFetch(() => Response.json(startAnswer()))

describe('starting an authorization', () => {
  it('sends the params of a token, the delivery, and that consent alone activates nothing', async () => {
    const fetch = starting()
    const context = testContext({ fetch, identity: 'me' })
    const params = {
      ...alice,
      installationId: 'T1',
      audience: ['a'],
      scopes: ['read', 'write'],
      resources: ['https://r.example'],
      authorizationDetails: [{ type: 'x', actions: ['b', 'a'] }],
      validityBufferMs: 5,
    }
    const started = await startAuthorizationIn(context, 'linear/mybot', params, {
      callbackUrl: 'https://app.example/callback?next=%2F',
      webhook: 'https://app.example/hook',
      deviceCode: true,
      expiresInMs: 60_000,
      prompt: 'consent',
      additionalParams: { login_hint: 'alice' },
      timeoutMs: 5000,
    })
    expect(started).toEqual({ ...startAnswer(), expiresAt: started.expiresAt })
    expect(fetch.seen).toHaveLength(1)
    expect(fetch.seen[0]).toMatchObject({
      method: 'POST',
      url: 'https://broker.example/v1/connect/authorize/linear%2Fmybot',
    })
    expect(fetch.seen[0]?.headers.get('authorization')).toBe('Bearer me')
    expect(fetch.seen[0]?.body).toEqual({
      ...alice,
      installationId: 'T1',
      audience: ['a'],
      scopes: ['read', 'write'],
      resources: ['https://r.example'],
      authorizationDetails: [{ type: 'x', actions: ['a', 'b'] }],
      returnUrl: 'https://app.example/callback?next=%2F',
      webhook: 'https://app.example/hook',
      deviceCode: true,
      expiresInMs: 60_000,
      prompt: 'consent',
      additionalParams: { login_hint: 'alice' },
      binding: 'complete',
    })
  })

  it('hands on the device code, and where it is typed in', async () => {
    const device = { deviceCode: 'BCDF-GHJK', verificationUri: 'https://broker.example/device' }
    const fetch = fakeFetch(() => Response.json({ ...startAnswer(), ...device }))
    const context = testContext({ fetch, identity: 'me' })
    const options = { deviceCode: true }
    expect(await startAuthorizationIn(context, 'c', alice, options)).toMatchObject(device)
    expect(await startInstallationIn(context, 'c', {}, options)).toMatchObject(device)
  })

  it('takes the params of the error that asked for it', async () => {
    const fetch = fakeFetch(({ url }) =>
      url.includes('/token/')
        ? refusal(422, 'user_authorization_required', 'consent first')
        : Response.json(startAnswer()),
    )
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(getTokenIn(context, 'c', { ...alice, scopes: ['read'] }, undefined))
    if (!(error instanceof UserAuthorizationRequiredError) || error.params === undefined)
      throw new Error('expected params')
    await startAuthorizationIn(context, 'c', error.params, undefined)
    expect(fetch.seen[1]?.body).toEqual({ ...alice, scopes: ['read'], binding: 'complete' })
  })

  it('leaves binding out when told that consent is enough', async () => {
    const fetch = starting()
    await startAuthorizationIn(testContext({ fetch, identity: 'me' }), 'c', alice, { binding: 'consent' })
    expect(fetch.seen[0]?.body).toEqual(alice)
  })

  it('never sends binding to Vercel Connect, which does not know it', async () => {
    const fetch = starting()
    const context = testContext({ fetch, url: 'https://api.vercel.com' })
    const call = { vercelToken: jwt({ aud: 'https://vercel.com/acme' }) }
    await startAuthorizationIn(context, 'c', alice, { ...call, callbackUrl: 'https://app.example/' })
    await startInstallationIn(context, 'c', { tenantId: 'T1' }, call)
    expect(fetch.seen.map(({ body }) => body)).toEqual([
      { ...alice, scopes: ['*'], returnUrl: 'https://app.example/' },
      { tenantId: 'T1' },
    ])
  })

  it('takes the answer of Vercel Connect without expiry and connector, which it may leave out', async () => {
    const { url, request, verifier } = startAnswer()
    const fetch = fakeFetch(() => Response.json({ url, request, verifier }))
    const context = testContext({ fetch, url: 'https://api.vercel.com', now: () => 1_800_000_000_000 })
    const call = { vercelToken: jwt({ aud: 'https://vercel.com/acme' }), expiresInMs: 60_000 }
    expect(await startAuthorizationIn(context, 'linear/mybot', alice, call)).toMatchObject({
      url,
      expiresAt: 1_800_000_060_000,
      connector: { uid: 'linear/mybot', name: 'linear/mybot' },
    })
    const elsewhere = testContext({ fetch, identity: 'me' })
    expect((await errorOf(startAuthorizationIn(elsewhere, 'linear/mybot', alice, {}))).code).toBe(
      'invalid_response',
    )
  })

  it('asks for a device code instead of a return in detached mode', async () => {
    const fetch = starting()
    const context = testContext({ fetch, identity: 'me' }, { VALETKEY_INTERACTIVE_AUTH_MODE: 'detached' })
    await startAuthorizationIn(context, 'c', alice, { callbackUrl: 'https://app.example/callback' })
    expect(fetch.seen[0]?.body).toEqual({ ...alice, deviceCode: true, binding: 'complete' })
  })

  it('returns nothing but what is documented', async () => {
    const answer = startAnswer({ deviceCode: 'BCDF-GHJK' })
    const connector = { ...answer.connector, service: 'linear', serviceName: 'Linear' }
    const fetch = fakeFetch(() =>
      Response.json({ ...answer, connector: { ...connector, secret: 1 }, internal: true }),
    )
    const started = await startAuthorizationIn(testContext({ fetch, identity: 'me' }), 'c', alice, {})
    expect(started).toEqual({ ...answer, connector })
  })

  it('is sent again after a fault that passes, since one that nobody follows up does nothing', async () => {
    const fetch = fakeFetch((_request, index) =>
      index === 0 ? Response.json({}, { status: 503 }) : Response.json(startAnswer()),
    )
    await startAuthorizationIn(testContext({ fetch, identity: 'me' }), 'c', alice, undefined)
    expect(fetch.seen).toHaveLength(2)
  })

  it('surfaces a refusal, and asks once', async () => {
    const fetch = fakeFetch(() => refusal(400, 'invalid_request', 'callback not allowed'))
    const error = await errorOf(
      startAuthorizationIn(testContext({ fetch, identity: 'me' }), 'c', alice, undefined),
    )
    expect(error).toMatchObject({ code: 'invalid_request', connector: 'c', requestId: 'req_1' })
    expect(fetch.seen).toHaveLength(1)
  })

  it('takes http on loopback for a webhook only while the issuing point is there too', async () => {
    const fetch = fakeFetch(() => Response.json(startAnswer({ url: 'http://127.0.0.1:4570/connect/1' })))
    const webhook = 'http://127.0.0.1:3000/hook'
    const there = testContext({ fetch, identity: 'me', url: 'http://127.0.0.1:4570' })
    const { url } = await startAuthorizationIn(there, 'c', alice, { webhook })
    expect([url, fetch.seen[0]?.body]).toMatchObject(['http://127.0.0.1:4570/connect/1', { webhook }])
    const error = await errorOf(
      startAuthorizationIn(testContext({ fetch, identity: 'me' }), 'c', alice, { webhook }),
    )
    expect([error.code, fetch.seen.length]).toEqual(['invalid_request', 1])
  })

  it('asks a custom issuing point, or says that it cannot', async () => {
    const asked: unknown[] = []
    const issuingPoint = { id: 'x', audience: 'x', issueToken: () => Promise.resolve({}) }
    const able = {
      ...issuingPoint,
      startAuthorization(connector: string, request: unknown) {
        asked.push([connector, request])
        return Promise.resolve(startAnswer())
      },
    }
    const config = { identity: 'me', issuingPoint: able }
    await startAuthorizationIn(testContext(config), 'c', alice, undefined)
    expect(asked).toEqual([['c', { ...alice, binding: 'complete' }]])
    for (const promise of [
      startAuthorizationIn(testContext({ identity: 'me', issuingPoint }), 'c', alice, undefined),
      startInstallationIn(testContext(config), 'c', {}, undefined),
    ])
      expect(await errorOf(promise)).toMatchObject({ code: 'invalid_request', connector: 'c' })
  })

  it.each([
    ['an unknown option', { returnUrl: 'secret-value' }, '"returnUrl"'],
    ['an own __proto__', JSON.parse('{"__proto__":{"callbackUrl":"secret-value"}}'), '__proto__'],
    ['a callback that is no string', { callbackUrl: 1 }, 'callbackUrl'],
    ['a callback over plain http', { callbackUrl: 'http://secret-value.example/' }, 'callbackUrl'],
    ['a webhook over plain http', { webhook: 'http://secret-value.example/' }, 'webhook'],
    ['a device code that is no boolean', { deviceCode: 'secret-value' }, 'deviceCode'],
    ['a life of nothing', { expiresInMs: 0 }, 'expiresInMs'],
    ['a life of more than a day', { expiresInMs: 86_400_001 }, 'expiresInMs'],
    ['a life of a fraction', { expiresInMs: 1.5 }, 'expiresInMs'],
    ['another binding', { binding: 'secret-value' }, 'binding'],
    ['an empty prompt', { prompt: '' }, 'prompt'],
    ['parameters that are no object', { additionalParams: ['secret-value'] }, 'additionalParams'],
    ['a parameter that is no string', { additionalParams: { a: { b: 'secret-value' } } }, 'additionalParams'],
    ['a parameter named __proto__', { additionalParams: JSON.parse('{"__proto__":"a"}') }, '__proto__'],
    [
      'too many parameters',
      { additionalParams: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`p${i}`, 'x'])) },
      'additionalParams',
    ],
    ['an option of another call', { onStatus: () => {} }, '"onStatus"'],
    ['options that are no object', 'secret-value', 'options'],
    [
      'options that throw',
      Object.defineProperty({}, 'callbackUrl', {
        enumerable: true,
        get() {
          throw new Error('secret-value')
        },
      }),
      'options',
    ],
  ])('S35 is refused for %s, naming it and not its value, before anything is sent', async (...given) => {
    const [, options, name] = given
    const fetch = starting()
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(startAuthorizationIn(context, 'c', alice, options as never))
    expect(error.code).toBe('invalid_request')
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('secret-value')
    expect(fetch.seen).toHaveLength(0)
  })

  it('S35 reads frozen objects, and no prototypes', async () => {
    const fetch = starting()
    const context = testContext({ fetch, identity: 'me' })
    const additionalParams = Object.freeze(Object.assign(Object.create({ inherited: 'x' }), { own: 'y' }))
    const options = Object.freeze({ additionalParams, callbackUrl: undefined })
    const polluted = Object.prototype as Record<string, unknown>
    polluted.callbackUrl = 'https://evil.example/'
    try {
      await startAuthorizationIn(context, 'c', Object.freeze({ ...alice }), options)
    } finally {
      delete polluted.callbackUrl
    }
    expect(fetch.seen[0]?.body).toEqual({ ...alice, binding: 'complete', additionalParams: { own: 'y' } })
  })
})

describe('starting an installation', () => {
  it('sends where, the delivery, and that consent alone activates nothing', async () => {
    const fetch = starting()
    const context = testContext({ fetch, identity: 'me' })
    const params = { installationId: 'I1', tenantId: 'T1', scopes: ['a', 'a'] }
    await startInstallationIn(context, 'slack/mybot', params, { callbackUrl: 'http://localhost:3000/cb' })
    await startInstallationIn(context, 'slack/mybot', {}, { binding: 'consent' })
    expect(fetch.seen.map(({ url, body }) => [url, body])).toEqual([
      [
        'https://broker.example/v1/connect/install/slack%2Fmybot',
        { ...params, scopes: ['a'], returnUrl: 'http://localhost:3000/cb', binding: 'complete' },
      ],
      ['https://broker.example/v1/connect/install/slack%2Fmybot', {}],
    ])
  })

  it.each([
    ['a subject', alice, {}, '"subject"'],
    ['no scopes', { scopes: [] }, {}, 'scopes'],
    ['an empty tenant', { tenantId: '' }, {}, 'tenantId'],
    ['params that are none', undefined, {}, 'params'],
    ['a prompt', {}, { prompt: 'consent' }, '"prompt"'],
    ['further parameters', {}, { additionalParams: {} }, '"additionalParams"'],
  ])('is refused for %s', async (_what, params, options, name) => {
    const fetch = starting()
    const context = testContext({ fetch, identity: 'me' })
    const error = await errorOf(startInstallationIn(context, 'c', params as never, options as never))
    expect([error.code, fetch.seen.length]).toEqual(['invalid_request', 0])
    expect(error.message).toContain(name)
  })
})
