import { type Client, createClient } from '@valetkey/sdk'

/** One request as it left the process. */
export interface Sent {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly body: Readonly<Record<string, unknown>>
}

/** A client of an issuing point in memory, and whatever it sends elsewhere. */
export interface TestIssuingPoint {
  readonly client: Client
  /** What the issuing point was asked, as `token` or `authorize`. */
  readonly asked: (Sent & { readonly route: string })[]
  /** Requests to anything else. */
  readonly sent: Sent[]
  /** Whether the user has consented. Default true. */
  consented: boolean
  /** Answers requests to anything else. Default: 200. */
  answer: (sent: Sent) => Response
}

/** Gives `token-1`, `token-2`, … that live an hour. */
export function testIssuingPoint(): TestIssuingPoint {
  const asked: TestIssuingPoint['asked'] = []
  const sent: Sent[] = []
  const connector = { id: 'scl_1', uid: 'linear/mybot', type: 'linear', name: 'mybot' }
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const text = typeof init?.body === 'string' ? init.body : '{}'
    const one: Sent = {
      url: String(input),
      method: init?.method ?? 'GET',
      headers: new Headers(init?.headers),
      body: JSON.parse(text),
    }
    if (!one.url.startsWith('https://broker.example/')) {
      sent.push(one)
      return self.answer(one)
    }
    const route = one.url.split('/')[5] ?? ''
    asked.push({ ...one, route })
    if (route === 'authorize')
      return Response.json({
        url: 'https://broker.example/consent/ask_1',
        request: 'ask_1',
        verifier: 'the-secret-verifier',
        deviceCode: 'ABCD-EFGH',
        verificationUri: 'https://broker.example/device',
        expiresAt: Date.now() + 600_000,
        connector,
      })
    if (!self.consented)
      return Response.json(
        { error: { code: 'user_authorization_required', message: 'Consent is missing', requestId: 'r' } },
        { status: 422 },
      )
    const count = asked.filter((request) => request.route === 'token').length
    const expiresAt = Date.now() + 3_600_000
    return Response.json({ token: `token-${count}`, tokenId: `stk_${count}`, expiresAt, connector })
  }
  const client = createClient({ url: 'https://broker.example', identity: 'the-identity', fetch })
  const self: TestIssuingPoint = { client, asked, sent, consented: true, answer: () => new Response('ok') }
  return self
}

/** What a promise was rejected with; throws when it was fulfilled. */
export async function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome === undefined) throw new Error('Nothing was refused')
  return outcome
}
