import type { ServerResponse } from 'node:http'
import type { TokenResponse } from '@valetkey/protocol'
import { getTokenResponseIn } from '../calls/get-token.ts'
import type { Context } from '../client/context.ts'
import type { ConnectTokenParams } from '../request/types.ts'
import { inAnHourSeconds, jwt, testContext } from '../test-support/fakes.ts'
import { startServer } from '../test-support/http-server.ts'
import { tokenExchange } from './index.ts'
import type { TokenExchangeConfig } from './types.ts'

export const type: string = 'urn:ietf:params:oauth:token-type'
export const app = { subject: { type: 'app' } } as const
export const ann = { subject: { type: 'user', id: 'ann' } } as const
export const token = {
  access_token: 'provider-token',
  issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  token_type: 'Bearer',
} as const

/** One request that reached the server. */
export interface Seen {
  readonly path: string
  readonly form: URLSearchParams
  readonly authorization: string | undefined
  readonly traceparent: string | undefined
}

export type Answering = (response: ServerResponse, seen: Seen) => void

/** An answer in JSON. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answering {
  return (response) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(body))
}

/** A server of RFC 8693 on loopback, which says what a test has it say. */
export interface TokenServer {
  readonly url: string
  /** Of every client that asks. */
  readonly identity: string
  seen: Seen[]
  /** What its token endpoint says. */
  answer: Answering
  /** What it says about itself. */
  metadata: Answering
  /** Forgets what was seen and says again what such a server says. */
  reset(): void
  /** The context of a client that asks it, with an identity of its own. */
  context(config: TokenExchangeConfig): Context
  /** One call of such a client; by the endpoint unless told otherwise. */
  ask(config?: TokenExchangeConfig, params?: ConnectTokenParams, connector?: string): Promise<TokenResponse>
  close(): Promise<void>
}

/** Starts one. */
export async function startTokenServer(): Promise<TokenServer> {
  const running = await startServer((request, response, body) => {
    const path = request.url ?? ''
    const { authorization, traceparent } = request.headers
    const one = {
      path,
      form: new URLSearchParams(body),
      authorization,
      traceparent: traceparent?.toString(),
    }
    server.seen.push(one)
    if (path.includes('/.well-known/')) server.metadata(response, one)
    else server.answer(response, one)
  })
  const server: TokenServer = {
    url: running.url,
    identity: jwt({ aud: running.url, exp: inAnHourSeconds, sub: 'agent' }),
    seen: [],
    answer: json({ ...token, expires_in: 3600 }),
    metadata: json({ issuer: running.url, token_endpoint: `${running.url}/token` }),
    reset() {
      server.seen = []
      server.answer = json({ ...token, expires_in: 3600 })
      server.metadata = json({ issuer: running.url, token_endpoint: `${running.url}/token` })
    },
    context(config) {
      return testContext({ issuingPoint: tokenExchange(config), identity: server.identity })
    },
    ask(config = {}, params = app, connector = 'api/weather') {
      const where = config.issuer === undefined ? { tokenEndpoint: `${running.url}/token` } : {}
      return getTokenResponseIn(server.context({ ...where, ...config }), connector, params, {
        timeoutMs: 5000,
      })
    },
    close: running.close,
  }
  return server
}
