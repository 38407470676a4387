import { afterEach, describe, expect, test } from 'vitest'
import { ProviderFault } from '../../driver.ts'
import { maxAnswerBytes } from '../../http.ts'
import type { FakeAnswer } from '../../test-server.ts'
import {
  access,
  closeFakes,
  consent,
  credential,
  now,
  refreshWith,
  settingsAt,
  start,
  tokenAnswer,
} from './test-connector.ts'

afterEach(closeFakes)

describe('refreshing', () => {
  const rotated = { access_token: 'at-2', token_type: 'bearer', expires_in: 60, refresh_token: 'rt-2' }

  test('keeps the rotated token before the answer is used, and sends the exact resource again', async () => {
    const { kept, result, body } = await refreshWith({ json: rotated })
    expect(kept).toEqual([{ accessToken: 'at-2', refreshToken: 'rt-2', accessExpiresAtMs: now + 60_000 }])
    expect(result).toMatchObject({
      outcome: 'refreshed',
      credential: { accessToken: 'at-2', refreshToken: 'rt-2', granted: credential.granted },
    })
    expect(body.get('refresh_token')).toBe('rt-1')
    expect(body.getAll('resource')).toEqual(['https://api.example'])
    expect(body.has('redirect_uri')).toBe(false)
    const { result: again } = await refreshWith({ json: rotated })
    expect(again).toMatchObject({ credential: { extra: credential.extra } })
  })

  test('resends the redirect address where the provider wants that', async () => {
    const { body } = await refreshWith({ json: rotated }, { quirks: { refreshSendsRedirectUri: true } })
    expect(body.get('redirect_uri')).toBe(start.redirectUri)
  })

  test('without a new refresh token the old one stays', async () => {
    const { refresh_token: _none, ...unrotated } = rotated
    const { kept, result } = await refreshWith({ json: unrotated })
    expect(kept).toEqual([])
    expect(result).toMatchObject({
      credential: { accessToken: 'at-2', refreshToken: 'rt-1', refreshExpiresAtMs: now + 1 },
    })
  })

  test.each([
    ['has no access token', { json: { refresh_token: 'rt-2' } }],
    ['has an access token that is no text', { json: { refresh_token: 'rt-2', access_token: {} } }],
    ['is of a kind of token nobody knows', { json: { ...rotated, token_type: 'mac' } }],
    ['has a status of its own', { status: 206, json: { refresh_token: 'rt-2' } }],
    ['breaks off', { raw: (response) => void response.end('{"refresh_token":"rt-2","access_token":"at-') }],
    [
      'breaks off with the connection',
      {
        raw: (response) => {
          response.writeHead(200, { 'content-length': '1000', 'content-type': 'application/json' })
          response.write('{"refresh_token": "rt-2", "x')
          setTimeout(() => response.destroy(), 50)
        },
      },
    ],
    [
      'never ends',
      {
        raw: (response) => void response.end(`{"refresh_token":"rt-2","x":"${'x'.repeat(maxAnswerBytes)}"}`),
      },
    ],
  ] satisfies [string, FakeAnswer][])(
    'the rotated token of an answer that %s is kept',
    async (_what, answer) => {
      const { kept, result } = await refreshWith(answer)
      expect(kept).toMatchObject([{ refreshToken: 'rt-2' }])
      const body = await refreshWith(answer)
      expect(body.kept).toHaveLength(1)
      if (!(result instanceof ProviderFault)) expect(result).toMatchObject({ outcome: 'refreshed' })
      expect(JSON.stringify(result) + String(result)).not.toContain('rt-2"} ')
    },
  )

  test('what could not be kept stops the refresh with its own reason', async () => {
    const { settings } = await tokenAnswer({ json: rotated })
    const lost = new Error('the store is down')
    await expect(consent.refresh(settings, credential, access, () => Promise.reject(lost))).rejects.toBe(lost)
  })

  test.each([
    ['a page instead of an answer', { raw: (response) => void response.end('<p>"refresh_token": no</p>') }],
    ['an error page', { status: 502, json: { refresh_token: 'rt-2' } }],
    ['an error', { status: 400, json: { error: 'invalid_scope', refresh_token: 'rt-2' } }],
    ['an empty refresh token', { json: { ...rotated, refresh_token: '' } }],
    ['a refresh token that is no text', { json: { ...rotated, refresh_token: 7 } }],
  ] satisfies [string, FakeAnswer][])('nothing is kept of %s', async (_what, answer) => {
    expect((await refreshWith(answer)).kept).toEqual([])
  })

  test('tells the end of a grant from a no about the client, and both from a fault', async () => {
    const of = async (status: number, error: string) =>
      (await refreshWith({ status, json: { error } })).result
    expect(await of(400, 'invalid_grant')).toEqual({ outcome: 'ended' })
    expect(await of(200, 'invalid_grant')).toEqual({ outcome: 'ended' })
    for (const error of ['invalid_client', 'invalid_scope', 'made_up'])
      expect(await of(400, error)).toMatchObject({ outcome: 'refused' })
    for (const status of [408, 429, 500, 503])
      expect(await of(status, 'invalid_grant')).toBeInstanceOf(ProviderFault)
    expect(await of(400, 'temporarily_unavailable')).toBeInstanceOf(ProviderFault)
    const quirks = { errorCodes: { bad_refresh_token: 'invalid_grant' } }
    const own = await refreshWith({ json: { error: 'bad_refresh_token' } }, { quirks })
    expect(own.result).toEqual({ outcome: 'ended' })
  })

  test('a grant without a refresh token, or a connector that uses none, asks nobody', async () => {
    const { server, settings } = await tokenAnswer({ json: rotated })
    const { refreshToken: _none, ...without } = credential
    const keep = async () => undefined
    expect(await consent.refresh(settings, without, access, keep)).toEqual({ outcome: 'ended' })
    const off = settingsAt(server.url, { refreshTokens: { enabled: false } })
    expect(await consent.refresh(off, credential, access, keep)).toEqual({ outcome: 'ended' })
    expect(server.seen).toEqual([])
  })
})
