import { base64url, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Attester,
  activeBody,
  attestedClaims,
  attesterUrl,
  createAttester,
  refusalReason,
  webhookRequest,
  webhookUrl,
} from '../test-support/attester.ts'
import type { VerifyWebhookOptions } from './types.ts'
import { verifyWebhook } from './verify-webhook.ts'

let attester: Attester

beforeAll(async () => {
  attester = await createAttester()
})

function options(more: Partial<VerifyWebhookOptions> = {}): VerifyWebhookOptions {
  return { url: attesterUrl, project: 'shop', environment: 'production', fetch: attester.fetch, ...more }
}

describe('S31 an attestation is refused', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['from another issuing point', { iss: 'https://broker.example/development' }, 'another issuing point'],
    ['from nobody', { iss: undefined }, 'another issuing point'],
    ['for another audience', { aud: 'https://app.example.evil.example' }, 'another audience'],
    ['for several audiences', { aud: ['https://app.example', 'https://evil.example'] }, 'another audience'],
    [
      'for another destination',
      { destination: 'https://app.example/hooks/other?a=b' },
      'another destination',
    ],
    ['for a destination that is none', { destination: 'hook' }, 'another destination'],
    ['for another project', { project: { id: 'prj_2', name: 'shop2' } }, 'another project'],
    ['for a project whose id is the name', { project: { id: 'shop', name: 'other' } }, 'another project'],
    ['for no project', { project: 'shop' }, 'another project'],
    ['for another environment', { environment: 'preview' }, 'another environment'],
    ['without a name', { jti: undefined }, 'lacks a claim'],
    ['with an empty name', { jti: '' }, 'lacks a claim'],
    ['with a name of any length', { jti: 'x'.repeat(513) }, 'lacks a claim'],
    ['without a request', { request: undefined }, 'lacks a claim'],
    ['without a connector', { connector: undefined }, 'lacks a claim'],
    ['without a digest', { digest: undefined }, 'lacks a claim'],
    ['for another body', { digest: 'sha-256=AAAA' }, 'another body'],
    ['about another request', { request: 'crq_2' }, 'another request'],
    ['without a time', { iat: undefined }, 'at most a minute'],
    ['without an end', { exp: undefined }, 'at most a minute'],
    ['with an end that is text', { exp: '9999999999' }, 'at most a minute'],
  ])('%s', async (_what, claims, reason) => {
    expect(await refusalReason(verifyWebhook(await attester.request({ claims }), options()))).toContain(
      reason,
    )
  })

  it.each([
    ['after a minute', 60_000, 'it has expired'],
    ['from the future', -6000, 'it was issued in the future'],
  ])('%s', async (_what, laterMs, reason) => {
    const nowMs = 1_800_000_000_000
    const request = await attester.request({ nowMs })
    expect(await refusalReason(verifyWebhook(request, options({ now: () => nowMs + laterMs })))).toBe(reason)
    expect(request.bodyUsed).toBe(false)
  })

  it('not within its minute, nor where clocks differ by little', async () => {
    const nowMs = 1_800_000_000_000
    for (const laterMs of [-5000, 0, 59_999])
      await verifyWebhook(await attester.request({ nowMs }), options({ now: () => nowMs + laterMs }))
  })

  it('when it lives longer than a minute, or not at all', async () => {
    const iat = Math.floor(Date.now() / 1000)
    for (const exp of [iat + 61, iat, iat - 1, Number.MAX_VALUE]) {
      const request = await attester.request({ claims: { iat, exp } })
      expect(await refusalReason(verifyWebhook(request, options()))).toBe(
        'it does not live for at most a minute',
      )
    }
  })

  it.each(['vk-id+jwt', 'at+jwt', 'JWT', 'VK-TRIGGER+JWT', 'application/vk-trigger+jwt', '', undefined])(
    'as a token of type %j, whoever signed it, without asking for a key',
    async (typ) => {
      const other = await createAttester()
      const request = await other.request({ header: { typ } })
      const reason = await refusalReason(verifyWebhook(request, options({ fetch: other.fetch })))
      expect([reason, other.fetch.seen.length]).toEqual(['the token is of another type', 0])
    },
  )

  it('when it is not signed at all', async () => {
    const header = { alg: 'none', typ: 'vk-trigger+jwt', kid: 'key-1' }
    const claims = await attestedClaims(activeBody, Date.now())
    const part = (value: object): string => base64url.encode(JSON.stringify(value))
    for (const signature of ['', 'AAAA']) {
      const token = `${part(header)}.${part(claims)}.${signature}`
      expect(await refusalReason(verifyWebhook(webhookRequest(token, activeBody), options()))).toMatch(
        /holds none|not ES256/,
      )
    }
  })

  it('when its secret is the public key', async () => {
    const claims = await attestedClaims(activeBody, Date.now())
    const secret = new TextEncoder().encode(JSON.stringify(attester.publicJwk).padEnd(32))
    const token = await attester.sign(claims, { alg: 'HS256' }, secret)
    expect(await refusalReason(verifyWebhook(webhookRequest(token, activeBody), options()))).toBe(
      'its algorithm is not ES256',
    )
  })

  it('when it is signed with another algorithm by a published key', async () => {
    const pair = await generateKeyPair('ES384')
    const token = await attester.sign(
      await attestedClaims(activeBody, Date.now()),
      { alg: 'ES384' },
      pair.privateKey,
    )
    expect(await refusalReason(verifyWebhook(webhookRequest(token, activeBody), options()))).toBe(
      'its algorithm is not ES256',
    )
  })

  it('when it brings its own key, or says where to find it', async () => {
    const mallory = await createAttester('key-mallory')
    const claims = await attestedClaims(activeBody, Date.now())
    for (const header of [
      { jwk: mallory.publicJwk, kid: 'key-1' },
      { jku: 'https://evil.example/jwks.json', kid: 'key-1' },
      { x5u: 'https://evil.example/cert', kid: 'key-mallory' },
      { kid: 'key-1' },
      { kid: 'key-mallory' },
    ]) {
      const token = await mallory.sign(claims, header)
      expect(await refusalReason(verifyWebhook(webhookRequest(token, activeBody), options()))).toMatch(
        /signature|not signed with a key/,
      )
    }
    expect(attester.fetch.seen.every(({ url }) => url.startsWith(`${attesterUrl}/`))).toBe(true)
  })

  it('when it names no key', async () => {
    const request = await attester.request({ header: { kid: undefined } })
    expect(await refusalReason(verifyWebhook(request, options()))).toBe('it names no key')
  })

  it('when it asks for an extension nobody knows', async () => {
    const token = await attester
      .sign(await attestedClaims(activeBody, Date.now()))
      .then((signed) => signed.split('.'))
    const header = { alg: 'ES256', typ: 'vk-trigger+jwt', kid: 'key-1', crit: ['exp'], exp: 1 }
    const crafted = [base64url.encode(JSON.stringify(header)), token[1], token[2]].join('.')
    expect(await refusalReason(verifyWebhook(webhookRequest(crafted, activeBody), options()))).toContain(
      'signature',
    )
  })

  it('when its claims were changed', async () => {
    const [head, , signature] = (await attester.sign(await attestedClaims(activeBody, Date.now()))).split('.')
    const claims = base64url.encode(JSON.stringify(await attestedClaims(activeBody, Date.now())))
    const request = webhookRequest(`${head}.${claims}.${signature}`, activeBody)
    expect(await refusalReason(verifyWebhook(request, options()))).toContain('signature')
  })

  it('when the body was changed', async () => {
    const token = await attester.sign(await attestedClaims(activeBody, Date.now()))
    for (const body of [activeBody.replace('active', 'denied'), `${activeBody} `, '']) {
      const request = webhookRequest(token, body)
      expect(await refusalReason(verifyWebhook(request, options()))).toBe('it is for another body')
    }
    // None of them used up the genuine one.
    await verifyWebhook(webhookRequest(token, activeBody), options())
  })

  it('when it was seen before', async () => {
    const token = await attester.sign(await attestedClaims(activeBody, Date.now()))
    await verifyWebhook(webhookRequest(token, activeBody), options())
    expect(await refusalReason(verifyWebhook(webhookRequest(token, activeBody), options()))).toBe(
      'it was seen before',
    )
  })

  it('when it arrives twice at the same moment', async () => {
    const token = await attester.sign(await attestedClaims(activeBody, Date.now()))
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map(() => verifyWebhook(webhookRequest(token, activeBody), options())),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('when its body takes until after its end to arrive', async () => {
    const nowMs = 1_800_000_000_000
    let at = nowMs
    const token = await attester.sign(await attestedClaims(activeBody, nowMs))
    const late = {
      pull(controller: ReadableStreamDefaultController<Uint8Array>) {
        at = nowMs + 60_000
        controller.enqueue(new TextEncoder().encode(activeBody))
        controller.close()
      },
    }
    const slow = new ReadableStream(late, { highWaterMark: 0 })
    const headers = { authorization: `Bearer ${token}` }
    const init = { method: 'POST', headers, body: slow, duplex: 'half' }
    const request = new Request(webhookUrl, init as RequestInit)
    const seen = (): boolean => false
    expect(await refusalReason(verifyWebhook(request, options({ seen, now: () => at })))).toBe(
      'it has expired',
    )
  })

  it.each([
    ['no header', undefined, 'the request has none'],
    ['another scheme', 'Basic dXNlcjpwYXNz', 'the Authorization header holds none'],
    ['no token', 'Bearer ', 'the Authorization header holds none'],
    ['what is no token', 'Bearer secret-value', 'the Authorization header holds none'],
    ['a token of any length', `Bearer a.${'b'.repeat(16_384)}.c`, 'the Authorization header holds none'],
    ['a header of nonsense', 'Bearer e30.e30.AAAA', 'the token is of another type'],
    ['two tokens', 'Bearer a.b.c, Bearer d.e.f', 'the Authorization header holds none'],
  ])('with %s', async (_what, authorization, reason) => {
    const request = new Request(webhookUrl, {
      method: 'POST',
      headers: authorization === undefined ? {} : { authorization },
      body: activeBody,
    })
    expect(await refusalReason(verifyWebhook(request, options()))).toBe(reason)
  })
})
