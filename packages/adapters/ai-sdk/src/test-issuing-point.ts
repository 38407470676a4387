import { type Client, createClient } from '@valetkey/sdk'

/** What reached a {@link TestIssuingPoint}. */
export interface Asked {
  readonly route: string
  readonly body: {
    readonly subject: { readonly type: string; readonly id?: string }
    readonly scopes?: readonly string[]
    readonly context?: { readonly toolCallId?: string }
    readonly [name: string]: unknown
  }
}

/** A client whose issuing point is a function. */
export interface TestIssuingPoint {
  readonly client: Client
  readonly asked: Asked[]
  /** Requests that went to `https://api.example`, the connector's origin. */
  readonly requests: Request[]
}

const verifier = 'the-verifier-of-the-test'

/** One that gives `token-of-<user>`, unless `refuse` has an answer; the API says whose token came. */
export function testIssuingPoint(
  options: {
    readonly refuse?: (
      asked: Asked,
      signal: AbortSignal,
    ) => Response | undefined | Promise<Response | undefined>
    readonly answer?: (request: Request) => Response | Promise<Response>
    readonly started?: object
  } = {},
): TestIssuingPoint {
  const asked: Asked[] = []
  const requests: Request[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    const { origin, pathname } = new URL(request.url)
    if (origin === 'https://api.example') {
      requests.push(request)
      return (await options.answer?.(request)) ?? Response.json({ as: request.headers.get('authorization') })
    }
    const [, , , route = ''] = pathname.split('/')
    const one = { route, body: await request.json() } as Asked
    asked.push(one)
    request.signal.throwIfAborted()
    const refused = await options.refuse?.(one, request.signal)
    return refused ?? Response.json(route === 'token' ? tokenFor(one) : consent(options.started))
  }
  const client = createClient({ url: 'https://broker.example', identity: 'me', fetch, timeoutMs: 2_000 })
  return { client, asked, requests }
}

/** A refusal as brokers send it. */
export function refusal(status: number, code: string, message = 'Words of the issuing point'): Response {
  return Response.json({ error: { code, message, requestId: 'req_1' } }, { status })
}

/** Refuses tokens to users who have not consented. */
export function withoutConsent({ route }: Asked): Response | undefined {
  return route === 'token' ? refusal(422, 'user_authorization_required') : undefined
}

const connector = { id: 'scl_1', uid: 'github/mybot', type: 'github', name: 'My bot' }

function tokenFor({ body }: Asked): object {
  const token = `token-of-${body.subject.id ?? 'app'}`
  const tokenId = `stk-of-${token}`
  return { token, tokenId, expiresAt: Date.now() + 3_600_000, connector, origins: ['https://api.example'] }
}

function consent(more: object | undefined): object {
  const [request, expiresAt] = ['crq_1', Date.now() + 600_000]
  return {
    url: `https://broker.example/consent/${request}`,
    request,
    verifier,
    expiresAt,
    connector,
    ...more,
  }
}
