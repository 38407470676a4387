import { errorCodes } from '@valetkey/protocol'
import { describe, expect, it } from 'vitest'
import { ConnectError, isConnectError } from './connect-error.ts'
import { errorOfAnswer } from './error-of-answer.ts'
import {
  ConnectorInstallationRequiredError,
  NoValidTokenError,
  UserAuthorizationRequiredError,
} from './refusals.ts'
import { isRetryable } from './retryable.ts'
import { codeOfStatus, isWireCode } from './wire-codes.ts'

const about = {
  connector: 'slack/mybot',
  credential: 'identity',
  params: { subject: { type: 'user', id: 'u' } },
} as const

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
  status,
  statusText: 'Text',
  headers: new Headers(headers),
  text: typeof body === 'string' ? body : JSON.stringify(body),
})

describe('the codes', () => {
  it('are those of the protocol, as retryable as it says', () => {
    for (const [code, description] of Object.entries(errorCodes)) {
      expect([code, isWireCode(code)]).toEqual([code, description.side === 'issuing-point'])
      expect([code, isRetryable(code as never)]).toEqual([code, description.retryable])
    }
  })

  it('follow from a status where an answer has none', () => {
    const statuses = [
      400, 401, 403, 404, 408, 409, 410, 413, 415, 418, 422, 425, 429, 500, 502, 503, 504, 520,
    ]
    expect(statuses.map((status) => [status, codeOfStatus(status)])).toEqual([
      [400, 'invalid_request'],
      [401, 'identity_invalid'],
      [403, 'forbidden'],
      [404, 'not_found'],
      [408, 'unavailable'],
      [409, 'conflict'],
      [410, 'not_found'],
      [413, 'too_large'],
      [415, 'invalid_request'],
      [418, 'invalid_request'],
      [422, 'provider_refused'],
      [425, 'unavailable'],
      [429, 'rate_limited'],
      [500, 'unavailable'],
      [502, 'provider_error'],
      [503, 'unavailable'],
      [504, 'unavailable'],
      [520, 'unavailable'],
    ])
  })
})

describe('the error for an answer', () => {
  it('carries what the issuing point says', () => {
    const message = 'connector is not linked to this project'
    const error = errorOfAnswer(
      answer(403, { error: { code: 'forbidden', message, requestId: 'r1' } }),
      about,
    )
    expect(error).toMatchObject({
      name: 'ConnectError',
      message,
      code: 'forbidden',
      status: 403,
      statusText: 'Text',
      retryable: false,
      requestId: 'r1',
      connector: 'slack/mybot',
    })
  })

  it('is of the class that its code says', () => {
    const of = (code: string): ConnectError => errorOfAnswer(answer(422, { error: { code } }), about)
    expect(of('no_token')).toBeInstanceOf(NoValidTokenError)
    expect(of('connector_installation_required')).toBeInstanceOf(ConnectorInstallationRequiredError)
    expect(of('client_installation_required')).toMatchObject({
      name: 'ConnectorInstallationRequiredError',
      code: 'connector_installation_required',
    })
    const user = of('user_authorization_required')
    expect(user).toBeInstanceOf(UserAuthorizationRequiredError)
    expect((user as UserAuthorizationRequiredError).params).toEqual(about.params)
  })

  it('understands what Vercel Connect sends', () => {
    const vendor = { error: 'invalid_grant' }
    for (const body of [
      { err: { code: 'no_token', message: 'none', vendor } },
      { error: { code: 'no_token', message: 'none', meta: { vendor } } },
      { error: { code: 'no_token', message: 'none' }, vendor },
    ])
      expect(errorOfAnswer(answer(422, body), about)).toMatchObject({
        code: 'no_token',
        message: 'none',
        vendor,
      })
  })

  it('takes the request id from the header where the body has none', () => {
    expect(errorOfAnswer(answer(500, '', { 'x-request-id': 'r2' }), about).requestId).toBe('r2')
  })

  it('goes by the status for codes that it does not know, or that only the SDK gives', () => {
    expect(errorOfAnswer(answer(403, { error: { code: 'unresolved_token' } }), about)).toMatchObject({
      code: 'forbidden',
      message: 'The issuing point answered 403 (unresolved_token)',
    })
    expect(errorOfAnswer(answer(503, { error: { code: 'timeout' } }), about).code).toBe('unavailable')
    expect(errorOfAnswer(answer(503, { error: { code: 'constructor' } }), about).code).toBe('unavailable')
  })

  it('never repeats text outside the fields it knows', () => {
    for (const body of [
      'secret-body',
      '{"secret-body":1}',
      '["secret-body"]',
      '{"error":"secret-body"}',
      '{"error":{"code":"<secret-body>"}}',
    ])
      expect(errorOfAnswer(answer(400, body), about).message).not.toContain('secret-body')
  })
})

describe('isConnectError', () => {
  it('knows the classes of another copy of this package', () => {
    const foreign = Object.assign(new Error('x'), { [Symbol.for('@valetkey/sdk.ConnectError')]: true })
    expect(isConnectError(foreign)).toBe(true)
    expect(isConnectError(new NoValidTokenError('x'))).toBe(true)
  })

  it('never throws', () => {
    const hostile = new Proxy(
      {},
      {
        get() {
          throw new Error()
        },
      },
    )
    for (const value of [undefined, null, 1, 'x', {}, new Error('x'), hostile])
      expect(isConnectError(value)).toBe(false)
  })
})

it('classes have their code and name by default, and hide the brand from logs', () => {
  expect(
    [
      new NoValidTokenError('a'),
      new UserAuthorizationRequiredError('b'),
      new ConnectorInstallationRequiredError('c'),
    ].map((e) => [e.name, e.code]),
  ).toEqual([
    ['NoValidTokenError', 'no_token'],
    ['UserAuthorizationRequiredError', 'user_authorization_required'],
    ['ConnectorInstallationRequiredError', 'connector_installation_required'],
  ])
  expect(Object.keys(new ConnectError('x', { code: 'timeout' })).sort()).toEqual([
    'code',
    'name',
    'retryable',
  ])
})
