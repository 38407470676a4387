import { base64url } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type Attester,
  activeBody,
  attestedClaims,
  attesterUrl,
  createAttester,
  digestOf,
  refusalReason,
  webhookRequest,
  webhookUrl,
} from '../test-support/attester.ts'
import { statusAnswer } from '../test-support/consent.ts'
import { errorOf, fakeFetch } from '../test-support/fakes.ts'
import { startServer } from '../test-support/http-server.ts'
import type { VerifyWebhookOptions } from './types.ts'
import { verifyWebhook } from './verify-webhook.ts'

let attester: Attester

beforeAll(async () => {
  attester = await createAttester()
})

function options(more: Partial<VerifyWebhookOptions> = {}): VerifyWebhookOptions {
  return { url: attesterUrl, project: 'shop', environment: 'production', fetch: attester.fetch, ...more }
}

describe('verifyWebhook', () => {
  it('returns what the issuing point said', async () => {
    const body = JSON.stringify({
      ...statusAnswer('denied', { code: 'access_denied', message: 'não' }),
      internal: 1,
    })
    const given = Object.freeze(options())
    expect(await verifyWebhook(await attester.request({ body }), given)).toEqual({
      request: 'crq_1',
      status: 'denied',
      error: { code: 'access_denied', message: 'não' },
      connector: { id: 'scl_1', uid: 'linear/mybot' },
      rawBody: body,
    })
  })

  it('fetches the keys once, from the issuing point’s own address', async () => {
    const other = await createAttester()
    const more = { fetch: other.fetch, url: `${attesterUrl}/` }
    for (let time = 0; time < 3; time++) await verifyWebhook(await other.request(), options(more))
    expect(other.fetch.seen.map(({ url }) => url)).toEqual([`${attesterUrl}/.well-known/jwks.json`])
  })

  it('finds the issuing point in VALETKEY_URL, and says so when there is none', async () => {
    vi.stubEnv('VALETKEY_URL', attesterUrl)
    await verifyWebhook(await attester.request(), options({ url: undefined }))
    vi.stubEnv('VALETKEY_URL', '')
    const error = await errorOf(verifyWebhook(await attester.request(), options({ url: undefined })))
    vi.unstubAllEnvs()
    expect(error.code).toBe('issuing_point_missing')
  })

  it('takes the project by its id as well', async () => {
    await verifyWebhook(await attester.request(), options({ project: 'prj_1' }))
    const claims = { project: { id: 'prj_2', name: 'prj_1' } }
    const posing = verifyWebhook(await attester.request({ claims }), options({ project: 'prj_1' }))
    expect(await refusalReason(posing)).toBe('it is for another project')
  })

  it('takes the destination from options behind a proxy', async () => {
    const url = 'http://10.0.0.7:8080/hooks/consent?a=b'
    expect(await refusalReason(verifyWebhook(await attester.request({ url }), options()))).toBe(
      'it is for another audience',
    )
    await verifyWebhook(await attester.request({ url }), options({ destination: webhookUrl }))
  })

  it('takes an address without a path for what requests make of it', async () => {
    const claims = { destination: 'https://app.example' }
    await verifyWebhook(await attester.request({ claims, url: 'https://app.example' }), options())
  })
})

describe('a store for several processes', () => {
  it('is asked for each attestation, and told until when to remember it', async () => {
    const asked: unknown[] = []
    const seen = (jti: string, expiresAtMs: number) => {
      asked.push([jti, expiresAtMs])
      return Promise.resolve(false)
    }
    const nowMs = 1_800_000_000_000
    const request = await attester.request({ claims: { jti: 'j1' }, nowMs })
    await verifyWebhook(request, options({ seen, now: () => nowMs }))
    expect(asked).toEqual([['j1', nowMs + 60_000]])
  })

  it('refuses unless it says no', async () => {
    for (const answer of [true, undefined, 0, 'OK', null]) {
      const seen = (): Promise<boolean> => Promise.resolve(answer as boolean)
      expect(await refusalReason(verifyWebhook(await attester.request(), options({ seen })))).toBe(
        'it was seen before',
      )
    }
  })

  it('lets nothing in while it fails, and is not quoted', async () => {
    const seen = (): Promise<boolean> => Promise.reject(new Error('redis://user:secret-value@host'))
    const error = await errorOf(verifyWebhook(await attester.request(), options({ seen })))
    expect([error.code, error.retryable]).toEqual(['unavailable', true])
    expect(`${error.message} ${String(error.cause)}`).not.toContain('secret-value')
  })
})

describe('a body', () => {
  it('is refused above 1 MiB, however it arrives', async () => {
    const body = 'x'.repeat(1_048_577)
    const error = await errorOf(verifyWebhook(await attester.request({ body }), options()))
    expect(error.code).toBe('too_large')
    const token = await attester.sign(await attestedClaims('', Date.now()))
    let cancelled = false
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      cancel() {
        cancelled = true
      },
    })
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: endless,
      duplex: 'half',
    }
    const request = new Request(webhookUrl, init as RequestInit)
    expect((await errorOf(verifyWebhook(request, options()))).code).toBe('too_large')
    expect(cancelled).toBe(true)
  })

  it.each(['', 'null', '[]', '{"request":"crq_1"}', '{"request":"crq_1","status":"secret-done"}', '{'])(
    'that is attested and no status is refused: %j',
    async (body) => {
      const error = await errorOf(verifyWebhook(await attester.request({ body }), options()))
      expect(error.code).toBe('invalid_request')
      expect(error.message).not.toContain('secret-')
    },
  )

  it('that was read already is refused with a hint', async () => {
    const request = await attester.request()
    await request.text()
    expect(await errorOf(verifyWebhook(request, options()))).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('clone'),
    })
  })

  it('is hashed as it came', async () => {
    const body = ` ${activeBody}\r\n`
    const claims = { digest: await digestOf(body) }
    const { rawBody } = await verifyWebhook(await attester.request({ claims, body }), options())
    expect(rawBody).toBe(body)
  })
})

describe('S36 a lying issuing point', () => {
  it.each<[string, () => Response | Promise<Response>]>([
    ['cannot be reached', () => Promise.reject(new TypeError('fetch failed secret-value'))],
    ['answers with an error', () => new Response('secret-value', { status: 500 })],
    [
      'redirects',
      () => new Response(null, { status: 302, headers: { location: 'https://evil.example/secret-value' } }),
    ],
    ['answers with no JSON', () => new Response('secret-value')],
    ['answers with no keys', () => Response.json({ keys: 'secret-value' })],
    ['answers with a huge body', () => Response.json({ keys: [], pad: 'x'.repeat(300_000) })],
    [
      'answers with a key that is none',
      () =>
        Response.json({ keys: [{ kty: 'EC', crv: 'P-256', kid: 'key-1', alg: 'ES256', x: 'AA', y: 'AA' }] }),
    ],
  ])('that %s makes the webhook unavailable, and is asked nowhere else', async (_what, answer) => {
    const fetch = fakeFetch(answer)
    const error = await errorOf(verifyWebhook(await attester.request(), options({ fetch })))
    expect([error.code, error.retryable]).toEqual(['unavailable', true])
    expect(`${error.message} ${String(error.cause)}`).not.toContain('secret-value')
    expect(fetch.seen.map(({ url }) => url)).toEqual([`${attesterUrl}/.well-known/jwks.json`])
  })

  it('that redirects to other keys over a real network is not followed', async () => {
    let followed = 0
    const elsewhere = await startServer((_request, response) => {
      followed++
      response.end(JSON.stringify({ keys: [attester.publicJwk] }))
    })
    const { url, close } = await startServer((_request, response) => {
      response.writeHead(302, { location: `${elsewhere.url}/.well-known/jwks.json` })
      response.end()
    })
    try {
      const request = await attester.request({ claims: { iss: url } })
      const error = await errorOf(verifyWebhook(request, options({ url, fetch: undefined })))
      expect([error.code, followed]).toEqual(['unavailable', 0])
    } finally {
      await Promise.all([close(), elsewhere.close()])
    }
  })

  it('that publishes a shared secret or private key types is not believed', async () => {
    const secret = crypto.getRandomValues(new Uint8Array(32))
    const fetch = fakeFetch(() =>
      Response.json({ keys: [{ kty: 'oct', k: base64url.encode(secret), kid: 'key-1', alg: 'HS256' }] }),
    )
    const claims = await attestedClaims(activeBody, Date.now())
    const token = await attester.sign(claims, { alg: 'HS256' }, secret)
    await refusalReason(verifyWebhook(webhookRequest(token, activeBody), options({ fetch })))
    expect(fetch.seen).toHaveLength(0)
  })

  it('that never answers is left after five seconds', async () => {
    const fetch = fakeFetch(() => new Promise<Response>(() => {}))
    const request = await attester.request()
    vi.useFakeTimers()
    try {
      const waiting = errorOf(verifyWebhook(request, options({ fetch })))
      await vi.advanceTimersByTimeAsync(5000)
      expect((await waiting).code).toBe('unavailable')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('options of verifyWebhook', () => {
  it.each([
    ['no project', { project: undefined }, 'project'],
    ['no environment', { environment: undefined }, 'environment'],
    ['an empty project', { project: '' }, 'project'],
    ['an unknown key', { audience: 'secret-value' }, '"audience"'],
    ['an issuing point over plain http', { url: 'http://secret-value.example' }, 'url'],
    ['a destination that is none', { destination: 'secret-value' }, 'destination'],
    ['a fetch that is none', { fetch: 'secret-value' }, 'fetch'],
    ['a clock that is none', { now: 1 }, 'now'],
    ['a store that is none', { seen: new Set() }, 'seen'],
  ])('are refused for %s, naming it and not its value', async (_what, more, name) => {
    const given = { ...options(), ...more } as VerifyWebhookOptions
    const error = await errorOf(verifyWebhook(await attester.request(), given))
    expect(error.code).toBe('invalid_request')
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('secret-value')
  })

  it('are refused when there are none, or no request', async () => {
    const given = undefined as unknown as VerifyWebhookOptions
    expect((await errorOf(verifyWebhook(await attester.request(), given))).code).toBe('invalid_request')
    const request = { headers: {}, body: activeBody } as unknown as Request
    expect((await errorOf(verifyWebhook(request, options()))).code).toBe('invalid_request')
  })
})
