import { isConnectError } from '@valetkey/sdk'
import { isConnectionAuthorizationFailedError, isConnectionAuthorizationRequiredError } from 'eve/connections'
import { describe, expect, it } from 'vitest'
import { type ConnectAuthorizationOptions, connect } from './index.ts'
import { refusal, rejectionOf, testIssuingPoint } from './test-issuing-point.ts'

const connection = { url: 'https://mcp.example/mcp' }
const ann = { type: 'user', id: 'ann', issuer: 'https://app.example' } as const
const bob = { ...ann, id: 'bob' } as const
const app = { type: 'app' } as const
const callbackUrl = 'https://agent.example/eve/v1/connections/notes/callback/attempt/inbox%3A1'
const callback = { params: {}, method: 'GET' }
const resume = { request: 'ask_1', verifier: 'the-secret-verifier' }

function world(more: Partial<Omit<ConnectAuthorizationOptions, 'principalType'>> = {}) {
  const point = testIssuingPoint()
  const options = { connector: 'linear/mybot', client: point.client, ...more }
  return { point, user: connect(options), app: connect({ ...options, principalType: 'app' }) }
}

const complete = (auth: ReturnType<typeof world>['user'], principal = ann) =>
  auth.completeAuthorization({ principal, connection, callbackUrl, callback, resume })

describe('getToken', () => {
  it("asks for the principal's token, by id and issuer, with the params", async () => {
    const { point, user } = world({ tokenParams: { scopes: ['read'] } })
    expect(await user.getToken({ principal: ann, connection })).toEqual({
      token: 'token-1',
      expiresAt: expect.any(Number),
    })
    expect(point.asked).toEqual([
      {
        route: 'token',
        body: expect.objectContaining({
          subject: { type: 'user', id: 'ann', issuer: 'https://app.example' },
          scopes: ['read'],
        }),
      },
    ])
  })

  it('never gives one user the token of another', async () => {
    const { user } = world()
    const tokens = []
    for (const principal of [ann, bob, { ...ann, issuer: 'https://other.example' }, ann])
      tokens.push((await user.getToken({ principal, connection })).token)
    expect(tokens).toEqual(['token-1', 'token-2', 'token-3', 'token-1'])
  })

  it('refuses a principal without an id, and an app in place of a user, and asks nobody', async () => {
    const { point, user } = world()
    for (const principal of [{ type: 'user', id: '' }, { type: 'user' } as typeof ann, app] as const)
      expect(await rejectionOf(user.getToken({ principal, connection }))).toMatchObject({
        name: 'ConnectionAuthorizationFailedError',
        reason: 'principal_required',
        retryable: false,
      })
    expect(point.asked).toEqual([])
  })

  it('asks as the app, whoever is signed in', async () => {
    const { point, app: auth } = world()
    await auth.getToken({ principal: app, connection })
    expect(point.asked[0]?.body.subject).toEqual({ type: 'app' })
    expect(auth.startAuthorization).toBeUndefined()
  })

  it('takes the subject from createSubject, which is told the connection', async () => {
    const { point, user } = world({
      createSubject: (principal, { url }) => ({
        type: 'jwt-bearer',
        sub: principal.type === 'user' ? principal.id : '',
        aud: url,
      }),
    })
    await user.getToken({ principal: ann, connection })
    expect(point.asked[0]?.body.subject).toEqual({ type: 'jwt-bearer', sub: 'ann', aud: connection.url })
    expect(await rejectionOf(user.evict({ principal: ann }))).toMatchObject({ code: 'invalid_request' })
  })

  it('asks the issuing point every time with validate', async () => {
    const { point, user } = world({ validate: true })
    for (let time = 0; time < 2; time++) await user.getToken({ principal: ann, connection })
    expect(point.asked).toHaveLength(2)
  })

  it.each([
    [422, 'user_authorization_required'],
    [422, 'no_token'],
  ])('asks a user for consent after %i %s', async (status, code) => {
    const { point, user } = world()
    point.refuse = () => refusal(status, code)
    const error = await rejectionOf(user.getToken({ principal: ann, connection }))
    expect(isConnectionAuthorizationRequiredError(error)).toBe(true)
  })

  it.each([
    [422, 'user_authorization_required', 'app_not_installed'],
    [422, 'no_token', 'app_not_installed'],
    [422, 'connector_installation_required', 'connector_installation_required'],
    [403, 'forbidden', 'forbidden'],
    [403, 'above_ceiling', 'above_ceiling'],
  ])('fails for an app after %i %s, as %s', async (status, code, reason) => {
    const { point, app: auth } = world()
    point.refuse = () => refusal(status, code)
    const error = await rejectionOf(auth.getToken({ principal: app, connection }))
    expect(isConnectionAuthorizationFailedError(error)).toBe(true)
    expect(error).toMatchObject({ reason, retryable: false, connectionName: 'linear/mybot' })
  })

  it('does not ask a user for consent that would not help', async () => {
    const { point, user } = world()
    point.refuse = () => refusal(403, 'forbidden')
    const error = await rejectionOf(user.getToken({ principal: ann, connection }))
    expect(error).toMatchObject({ name: 'ConnectionAuthorizationFailedError', reason: 'forbidden' })
  })
})

describe('startAuthorization', () => {
  const start = ({ user }: ReturnType<typeof world>) =>
    user.startAuthorization({ principal: ann, connection, callbackUrl })

  it('binds on consent, and keeps no more than what names the request and proves who began', async () => {
    const here = world({ tokenParams: { scopes: ['read'] }, instructions: 'Connect Linear first' })
    expect(await start(here)).toEqual({
      challenge: {
        url: 'https://broker.example/consent/ask_1',
        expiresAt: new Date(4_000_000_000_000).toISOString(),
        displayName: 'Linear',
        instructions: 'Connect Linear first',
      },
      resume,
    })
    const [{ route, body } = { route: '', body: {} }] = here.point.asked
    expect(route).toBe('authorize')
    expect(body).toMatchObject({ subject: ann, scopes: ['read'], returnUrl: callbackUrl })
    expect(body.binding).toBeUndefined()
  })

  it('shows a device code where the issuing point made one', async () => {
    const here = world({ displayName: 'Our Linear' })
    here.point.started = { deviceCode: 'ABCD-EFGH', verificationUri: 'https://broker.example/device' }
    expect((await start(here)).challenge).toMatchObject({ userCode: 'ABCD-EFGH', displayName: 'Our Linear' })
  })

  it('has the browser come back to the channel in between, where there is one', async () => {
    const here = world({ returnPath: '/valetkey/return' })
    await start(here)
    const back = new URL(String(here.point.asked[0]?.body.returnUrl))
    expect(back.href.startsWith('https://agent.example/valetkey/return?to=')).toBe(true)
    expect(back.searchParams.get('to')).toBe(new URL(callbackUrl).pathname)
  })

  it('fails where consent can not be begun, and asks for none', async () => {
    const here = world()
    here.point.refuse = () => refusal(400, 'invalid_request')
    expect(await rejectionOf(start(here))).toMatchObject({
      name: 'ConnectionAuthorizationFailedError',
      reason: 'invalid_request',
      retryable: false,
    })
  })
})

describe('completeAuthorization', () => {
  it('gives a token that is newer than the consent', async () => {
    const { point, user } = world()
    await user.getToken({ principal: ann, connection })
    expect((await complete(user)).token).toBe('token-2')
    expect(point.asked.map(({ route }) => route)).toEqual(['token', 'status', 'token'])
  })

  it.each([
    ['denied', 'access_denied', false],
    ['expired', 'authorization_expired', true],
    ['error', 'provider_refused', false],
  ] as const)('fails after %s, as %s, and asks for no token', async (status, reason, retryable) => {
    const { point, user } = world()
    point.status = status
    const error = await rejectionOf(complete(user))
    expect(error).toMatchObject({ name: 'ConnectionAuthorizationFailedError', reason, retryable })
    expect(JSON.stringify([error, String(error)])).not.toContain('the-secret-verifier')
    expect(point.asked.filter(({ route }) => route === 'token')).toEqual([])
  })

  it('fails while the consent is pending, whatever called back', async () => {
    const { point, user } = world({ connectOptions: { timeoutMs: 50 } })
    point.status = 'pending'
    const junk = { params: { request: 'ask_1', code: 'junk', token: 'junk' }, method: 'POST', body: 'junk' }
    const error = await rejectionOf(
      user.completeAuthorization({ principal: ann, connection, callbackUrl, callback: junk, resume }),
    )
    expect(error).toMatchObject({
      name: 'ConnectionAuthorizationFailedError',
      reason: 'authorization_pending',
    })
    expect(point.asked.filter(({ route }) => route === 'token')).toEqual([])
  })

  it('fails when the consent is active and there is still no token', async () => {
    const { point, user } = world()
    point.refuse = () => refusal(422, 'user_authorization_required')
    expect(await rejectionOf(complete(user))).toMatchObject({
      name: 'ConnectionAuthorizationFailedError',
      reason: 'user_authorization_required',
    })
  })

  it('goes by the token alone where the issuing point has no answer about consents', async () => {
    const { point, user } = world()
    point.status = 'unknown'
    expect((await complete(user)).token).toBe('token-1')
    point.refuse = () => refusal(422, 'user_authorization_required')
    expect(await rejectionOf(complete(user))).toMatchObject({ name: 'ConnectionAuthorizationFailedError' })
  })

  it('fails without what startAuthorization left', async () => {
    const { point, user } = world()
    const error = await rejectionOf(
      user.completeAuthorization({ principal: ann, connection, callbackUrl, callback }),
    )
    expect(error).toMatchObject({ reason: 'authorization_state_missing' })
    expect(point.asked).toEqual([])
  })
})

describe('evict', () => {
  it("has that user's next token exchanged, and the issuing point told which was rejected", async () => {
    const { point, user } = world()
    for (const principal of [ann, bob]) await user.getToken({ principal, connection })
    await user.evict({ principal: ann, connection })
    expect((await user.getToken({ principal: bob, connection })).token).toBe('token-2')
    expect((await user.getToken({ principal: ann, connection })).token).toBe('token-3')
    expect(point.asked.at(-1)?.body).toMatchObject({ subject: ann, rejectedTokenId: 'stk_1' })
  })

  it('ends the grant only when told to, and says when that failed', async () => {
    const { point, user } = world({ tokenParams: { installationId: 'i1' } })
    await user.evict({ principal: ann })
    expect(point.asked).toEqual([])
    await user.evict({ principal: ann, revoke: true })
    expect(point.asked).toEqual([{ route: 'revoke', body: { subject: ann, installationId: 'i1' } }])
    point.refuse = () => refusal(403, 'forbidden')
    expect(isConnectError(await rejectionOf(user.evict({ principal: ann, revoke: true })))).toBe(true)
  })
})

describe('onError', () => {
  it('sees what happened and where, and may put its own error in place', async () => {
    const seen: unknown[] = []
    const own = new Error('Ours')
    const { point, user } = world({
      onError: (error, phase) => {
        seen.push([isConnectError(error) && error.code, phase])
        return phase === 'getToken' ? own : undefined
      },
    })
    point.refuse = () => refusal(422, 'user_authorization_required')
    expect(await rejectionOf(user.getToken({ principal: ann, connection }))).toBe(own)
    point.status = 'denied'
    expect(await rejectionOf(complete(user))).toMatchObject({ reason: 'access_denied' })
    expect(seen).toEqual([
      ['user_authorization_required', 'getToken'],
      ['user_authorization_required', 'completeAuthorization'],
    ])
  })

  it("leaves an application's own errors as they are", async () => {
    const own = new RangeError('No such tenant')
    const { user } = world({
      createSubject: () => {
        throw own
      },
    })
    expect(await rejectionOf(user.getToken({ principal: ann, connection }))).toBe(own)
  })
})

describe('options', () => {
  it.each([
    [{ connector: 'a', autoProvision: true }, 'Unknown option "autoProvision" of connect()'],
    [{ connector: 'a', toString: 'x' }, 'Unknown option "toString" of connect()'],
    [{}, 'connector must be given'],
    [{ connector: 1 }, 'connector must be a string'],
    [{ connector: 'a', principalType: 'team' }, "principalType must be 'user' or 'app'"],
    [{ connector: 'a', validate: 'yes' }, 'validate must be a boolean'],
    [{ connector: 'a', onError: {} }, 'onError must be a function'],
    [{ connector: 'a', client: null }, 'client must be an object'],
    [{ connector: 'a', displayName: '' }, 'displayName must not be empty'],
    [{ connector: 'a', returnPath: '//evil.example' }, 'returnPath must be a path, such as /valetkey/return'],
    [
      { connector: 'a', tokenParams: { subject: { type: 'app' } } },
      'tokenParams.subject must be absent: it comes from the principal, or from createSubject',
    ],
    [undefined, 'connect() takes the name of a connector, or options'],
  ])('refuses %j', (options, message) => {
    const wrong: unknown = options
    expect(() => connect(wrong as ConnectAuthorizationOptions)).toThrow(
      expect.objectContaining({ code: 'invalid_request', message }),
    )
  })
})
