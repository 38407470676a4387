import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Consented, consentByCode } from './rotating-oidc-consent.ts'
import { createRotatingProvider, signIn } from './rotating-oidc-provider.ts'

/** What a provider has done for one account since it started. */
export interface AccountHistory {
  /** Refreshes that came in, whatever became of them. */
  readonly arrivals: number
  /** Refreshes for which it spent a refresh token and made the next. */
  readonly rotations: number
  /** Spent refresh tokens that came back: with each, everything of the consent ended. */
  readonly reuses: number
}

/** Where a refresh is: before the provider has seen it; or rotated, and the answer not yet on its way. */
export type RefreshMoment = 'arrived' | 'rotated'

/**
 * oidc-provider, unchanged, on loopback, with refresh token rotation and the reuse detection it has by default. What
 * stands in front of it only waits, or drops what nobody waits for any more.
 */
export interface RotatingProvider {
  readonly issuer: string
  /** An account consents: by code and PKCE, as a browser and a client would. */
  consent(account: string): Promise<Consented>
  historyOf(account: string): AccountHistory
  /** Everybody's together. */
  readonly total: AccountHistory
  /** True when the provider accepts this access token. */
  accepts(accessToken: string): Promise<boolean>
  /** Holds refreshes at a moment until it resolves. A caller that hangs up meanwhile is not served further. */
  holdRefresh: (account: string, moment: RefreshMoment) => Promise<void> | undefined
  close(): Promise<void>
}

/** Starts one whose access tokens live for an hour. */
export async function startRotatingProvider(): Promise<RotatingProvider> {
  const histories = new Map<string, { arrivals: number; rotations: number; reuses: number }>()
  const total = { arrivals: 0, rotations: 0, reuses: 0 }
  const count = (account: string, what: keyof AccountHistory) => {
    const history = histories.get(account) ?? { arrivals: 0, rotations: 0, reuses: 0 }
    histories.set(account, history)
    history[what] += 1
    total[what] += 1
  }
  const accounts = new Map<string, string>()

  const inner = createServer()
  const innerPort = await listen(inner)
  const front = createServer((incoming, outgoing) => {
    relay(incoming, outgoing).catch(() => outgoing.destroy())
  })
  const issuer = `http://127.0.0.1:${await listen(front)}`
  const provider = await createRotatingProvider(issuer)
  provider.on('refresh_token.saved', (token) => accounts.set(token.jti, token.accountId ?? ''))
  provider.on('refresh_token.consumed', (token) => count(token.accountId ?? '', 'rotations'))
  provider.on('grant.error', (context, error) => {
    if (error.error_detail !== 'refresh token already used') return
    count(context.oidc.entities.RefreshToken?.accountId ?? '', 'reuses')
  })
  const callback = provider.callback()
  inner.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/') !== true) return callback(request, response)
    return signIn(provider, request, response).catch(() => response.destroy())
  })

  async function relay(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const gone = new Promise<void>((resolve) => outgoing.once('close', resolve))
    const body = await readBody(incoming)
    const form = new URLSearchParams(body.toString())
    const refreshes = incoming.url === '/token' && form.get('grant_type') === 'refresh_token'
    const account = refreshes ? accounts.get(form.get('refresh_token') ?? '') : undefined
    const hold = async (moment: RefreshMoment) => {
      if (account !== undefined) await Promise.race([self.holdRefresh(account, moment), gone])
    }
    if (account !== undefined) count(account, 'arrivals')
    await hold('arrived')
    if (incoming.socket.destroyed) return
    const answer = await forward(innerPort, incoming, body)
    await hold('rotated')
    if (incoming.socket.destroyed) return
    outgoing.writeHead(answer.status, answer.headers).end(answer.body)
  }

  const self: RotatingProvider = {
    issuer,
    total,
    consent: (account) => consentByCode(issuer, account),
    historyOf: (account) => histories.get(account) ?? { arrivals: 0, rotations: 0, reuses: 0 },
    holdRefresh: () => undefined,
    async accepts(accessToken) {
      const answer = await fetch(`${issuer}/me`, { headers: { authorization: `Bearer ${accessToken}` } })
      await answer.body?.cancel()
      return answer.status === 200
    },
    async close() {
      for (const server of [front, inner]) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
  return self
}

interface Forwarded {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** With the `Host` that the client named: the provider builds its addresses from it. */
function forward(port: number, incoming: IncomingMessage, body: Buffer): Promise<Forwarded> {
  return new Promise((resolve, reject) => {
    const { method, url, headers } = incoming
    const call = send({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      readBody(answer).then(
        (text) => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: text }),
        reject,
      )
    })
    call.on('error', reject)
    call.end(body)
  })
}

async function readBody(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
