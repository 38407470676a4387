import { decodeJwt } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { type MintRequest, ProviderFault } from '../../driver.ts'
import { appRequest, type FakeAnswer, serve } from '../../test-server.ts'
import { oauthDriver as driver } from './oauth.ts'
import {
  access,
  closeFakes,
  consent,
  credential,
  fake,
  now,
  privateKeyPem,
  settingsAt,
  tokenAnswer,
} from './test-connector.ts'

afterEach(closeFakes)

const person: MintRequest = { ...appRequest(), subject: { type: 'user', id: 'u1' } }

describe('issuing', () => {
  const settings = settingsAt('https://as.example')
  const issue = (changes: Partial<MintRequest> = {}) =>
    consent.issue(
      settings.configuration,
      { credential, identity: { externalSubject: 's-1' } },
      { ...person, ...changes },
    )

  test('gives the token as it is, and says who holds it to the request', () => {
    expect(issue()).toEqual({
      outcome: 'minted',
      token: 'at-1',
      expiresAtMs: now,
      granted: credential.granted,
      enforcedBy: 'provider',
      origins: ['https://as.example'],
      externalSubject: 's-1',
    })
    expect(issue({ scopes: ['read', 'write'] })).toMatchObject({ enforcedBy: 'provider' })
    expect(issue({ scopes: ['read'] })).toMatchObject({ enforcedBy: 'none', granted: credential.granted })
  })

  test.each([
    { scopes: ['admin'] },
    { scopes: ['rea'] },
    { resources: ['https://api.example/'] },
    { audience: ['api'] },
    { authorizationDetails: [{ type: 'payment' }] },
  ] satisfies Partial<MintRequest>[])('refuses %j, which was not granted', (changes) => {
    expect(issue(changes)).toMatchObject({ outcome: 'refused', reason: 'above_grant' })
  })
})

describe('ending', () => {
  test('ends by the refresh token and the access token, or by the one there is', async () => {
    const server = await fake({ '/revoke': { status: 200 } })
    const settings = settingsAt(server.url)
    expect(await consent.endGrant(settings, credential, access, { accountInUse: false })).toBe('revoked')
    const { refreshToken: _none, ...without } = credential
    expect(await consent.endGrant(settings, without, access, { accountInUse: false })).toBe('revoked')
    expect(await driver.revokeToken?.(settings, 'at-9', access)).toBe('revoked')
    expect(server.seen.map(({ body }) => new URLSearchParams(body).get('token'))).toEqual([
      'rt-1',
      'at-1',
      'at-1',
      'at-9',
    ])
  })

  const endWith = async (answers: readonly [FakeAnswer, FakeAnswer], accessExpiresAtMs: number | null) => {
    const server = await serve(({ body }) => answers[new URLSearchParams(body).has('token', 'rt-1') ? 0 : 1])
    try {
      return await consent.endGrant(settingsAt(server.url), { ...credential, accessExpiresAtMs }, access, {
        accountInUse: false,
      })
    } finally {
      await server.close()
    }
  }
  const done: FakeAnswer = { status: 200 }
  const error = (code: string): FakeAnswer => ({ status: 400, json: { error: code } })

  test.each([
    ['lives where the server does not take it along and fails', done, { status: 500 }],
    ['lives where the server refuses to end it', done, error('invalid_client')],
  ] satisfies [string, FakeAnswer, FakeAnswer][])(
    'is not claimed while the access token %s',
    async (_what, refresh, own) => {
      await expect(endWith([refresh, own], now + 1)).rejects.toThrow(ProviderFault)
      await expect(endWith([refresh, own], null)).rejects.toThrow(ProviderFault)
      expect(await endWith([refresh, own], now)).toBe('revoked')
    },
  )

  test.each([
    ['by a server that ends refresh tokens only', done, error('unsupported_token_type'), 'revoked'],
    ['by a server that took the access token along', done, error('invalid_token'), 'revoked'],
    ['that ended itself but for its access token', error('invalid_token'), done, 'revoked'],
    ['that is over', error('invalid_token'), error('invalid_token'), 'already_ended'],
  ] satisfies [string, FakeAnswer, FakeAnswer, string][])(
    'a grant %s',
    async (_what, refresh, own, outcome) => {
      expect(await endWith([refresh, own], now + 1)).toBe(outcome)
    },
  )

  test('is not claimed of a single token that the server does not end', async () => {
    const server = await fake({ '/revoke': error('unsupported_token_type') })
    const { refreshToken: _none, ...without } = credential
    await expect(
      consent.endGrant(settingsAt(server.url), without, access, { accountInUse: false }),
    ).rejects.toThrow(ProviderFault)
  })

  test.each([
    { status: 500 },
    { status: 302 },
    { status: 400, json: { error: 'invalid_client' } },
    { status: 403 },
  ])('is not claimed after %j', async (answer) => {
    const server = await fake({ '/revoke': answer })
    await expect(
      consent.endGrant(settingsAt(server.url), credential, access, { accountInUse: false }),
    ).rejects.toThrow(ProviderFault)
  })

  test('is not supported without an endpoint for it', async () => {
    const serverConfig = { tokenEndpoint: 'https://as.example/token' }
    const settings = settingsAt('https://as.example', { serverConfig })
    expect(consent.behaviour(settings.configuration)).toEqual({
      kinds: ['user'],
      refreshEndsAccessToken: true,
      endsGrants: false,
    })
    expect(await consent.endGrant(settings, credential, access, { accountInUse: false })).toBe('unsupported')
    await expect(driver.revokeToken?.(settings, 'at', access)).rejects.toThrow(ProviderFault)
  })
})

describe('minting', () => {
  const fine = { json: { access_token: 'at-1', token_type: 'bearer', expires_in: 60, scope: 'read' } }
  async function mint(request: Partial<MintRequest>, data: object, answer: FakeAnswer = fine) {
    const { server, settings } = await tokenAnswer(answer, data)
    const minted = await driver.mint(settings, appRequest(request), access)
    return { minted, sent: new URLSearchParams(server.seen[0]?.body) }
  }
  const subject = { type: 'jwt-bearer', sub: 'ann' } as const

  test('for the app, with what was asked for', async () => {
    const { minted, sent } = await mint(
      { scopes: ['read'], resources: ['https://api.example'], authorizationDetails: [{ type: 'any' }] },
      { clientCredentials: { scopes: ['write'] } },
    )
    expect(minted).toMatchObject({ outcome: 'minted', enforcedBy: 'provider', expiresAtMs: now + 60_000 })
    expect(Object.fromEntries(sent)).toMatchObject({
      grant_type: 'client_credentials',
      scope: 'read',
      resource: 'https://api.example',
      authorization_details: '[{"type":"any"}]',
    })
  })

  test('says so when the server gave more than was asked for', async () => {
    const { minted } = await mint({ scopes: ['rea'] }, { clientCredentials: {} })
    expect(minted).toMatchObject({ enforcedBy: 'none', granted: { scopes: ['read'] } })
  })

  test('by an assertion that the connector signs', async () => {
    const jwtBearer = { privateKeyPem, keyId: 'k-1', additionalClaims: { tier: 'x' }, ttlSeconds: 60 }
    const { sent } = await mint({ subject: { ...subject, additionalClaims: { note: 1 } } }, { jwtBearer })
    expect(sent.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    expect(decodeJwt(sent.get('assertion') ?? '')).toMatchObject({
      iss: 'client-1',
      sub: 'ann',
      aud: expect.stringMatching(/\/token$/),
      iat: now / 1000,
      exp: now / 1000 + 60,
      tier: 'x',
      note: 1,
    })
  })

  test.each([
    { iss: 'other' },
    { aud: 'other' },
    { additionalClaims: { sub: 'root' } },
    { additionalClaims: { exp: 9e9 } },
    { additionalClaims: { tier: 'y' } },
  ])('the caller may not set %j in that assertion', async (changes) => {
    const jwtBearer = { privateKeyPem, iss: 'app', aud: 'as', additionalClaims: { tier: 'x' } }
    const { minted } = await mint({ subject: { ...subject, ...changes } }, { jwtBearer })
    expect(minted).toMatchObject({ reason: 'invalid_request' })
  })

  test('by exchange of a token', async () => {
    const { sent } = await mint({ subject: { type: 'token', token: 'st-1' } }, { tokenExchange: {} })
    expect(Object.fromEntries(sent)).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'st-1',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    })
  })

  test.each([
    [{ type: 'app' }, 'clientCredentials'],
    [subject, 'jwtBearer'],
    [{ type: 'token', token: 't' }, 'tokenExchange'],
  ] satisfies [MintRequest['subject'], string][])(
    'refuses %j by the setting that enables it',
    async (who, setting) => {
      const { minted } = await mint({ subject: who }, {})
      expect(minted).toMatchObject({ reason: 'invalid_request', message: expect.stringContaining(setting) })
    },
  )

  test('gives nothing of a user here', async () => {
    expect((await mint({ subject: { type: 'user', id: 'u' } }, {})).minted).toMatchObject({
      reason: 'no_credential',
    })
  })

  test.each([
    ['invalid_scope', 'above_grant'],
    ['invalid_target', 'above_grant'],
    ['invalid_client', 'provider_refused'],
    ['unauthorized_client', 'provider_refused'],
  ])('%s is %s', async (error, reason) => {
    const { minted } = await mint({}, { clientCredentials: {} }, { status: 400, json: { error } })
    expect(minted).toMatchObject({ outcome: 'refused', reason, message: expect.stringContaining(error) })
  })
})
