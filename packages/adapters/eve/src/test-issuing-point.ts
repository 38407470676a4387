import { type Client, createClient } from '@valetkey/sdk'

/** What reached a {@link TestIssuingPoint}. */
export interface Asked {
  /** `token`, `authorize`, `status` or `revoke`. */
  readonly route: string
  readonly body: Readonly<Record<string, unknown>>
}

/** A client of an issuing point in memory. */
export interface TestIssuingPoint {
  readonly client: Client
  readonly asked: Asked[]
  /** Answers in place of a token. */
  refuse: (asked: Asked) => Response | undefined
  /** How consents stand; `unknown` where it can't be asked. */
  status: 'pending' | 'active' | 'denied' | 'expired' | 'error' | 'unknown'
  /** More fields of the answer to `authorize`. */
  started: object
}

/** Gives `token-1`, `token-2`, … that live an hour. */
export function testIssuingPoint(): TestIssuingPoint {
  const asked: Asked[] = []
  let tokens = 0
  const connector = { id: 'scl_1', uid: 'linear/mybot', type: 'linear', serviceName: 'Linear', name: 'mybot' }
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const path = new URL(String(input)).pathname
    const [, , , kind = ''] = path.split('/')
    const route = kind === 'requests' ? 'status' : kind === 'connectors' ? 'revoke' : kind
    const one: Asked = { route, body: JSON.parse(String(init?.body)) }
    asked.push(one)
    if (route === 'status')
      return self.status === 'unknown'
        ? refusal(400, 'invalid_request')
        : Response.json(statusOf(self.status))
    const refused = self.refuse(one)
    if (refused !== undefined) return refused
    if (route === 'revoke')
      return Response.json({
        tokensFound: 1,
        deleted: 1,
        providerRevoked: 0,
        providerSkipped: 1,
        providerFailed: 0,
      })
    if (route === 'token') {
      const [token, tokenId] = [`token-${++tokens}`, `stk_${tokens}`]
      return Response.json({ token, tokenId, expiresAt: Date.now() + 3_600_000, connector })
    }
    const url = 'https://broker.example/consent/ask_1'
    const [request, verifier] = ['ask_1', 'the-secret-verifier']
    return Response.json({ url, request, verifier, expiresAt: 4_000_000_000_000, connector, ...self.started })
  }
  const client = createClient({ url: 'https://broker.example', identity: 'the-identity', fetch })
  const self: TestIssuingPoint = { client, asked, refuse: () => undefined, status: 'active', started: {} }
  return self
}

function statusOf(status: TestIssuingPoint['status']): object {
  const error = { code: 'provider_refused', message: 'The person said no' }
  return { request: 'ask_1', status, ...(status === 'active' || status === 'pending' ? {} : { error }) }
}

/** A refusal as brokers send it. */
export function refusal(status: number, code: string): Response {
  return Response.json({ error: { code, message: 'Words of the issuing point', requestId: 'r' } }, { status })
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
