import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, SeenRequest } from '../suite/protocol.ts'
import { type Attester, createAttester } from './attester.ts'
import { listen, type Server } from './listen.ts'

/** What one check of one runtime has to itself: the part of the server below its prefix. */
interface Scope {
  readonly url: string
  readonly seen: SeenRequest[]
  /** What the next requests for tokens are answered with, instead of a token. */
  readonly script: Answer[]
  tokens: number
}

interface Incoming {
  readonly scope: Scope
  /** Below the prefix of the scope. */
  readonly path: string
  readonly url: URL
  readonly request: IncomingMessage
  readonly body: Readonly<Record<string, unknown>> | undefined
}

interface Reply {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly delayMs?: number
}

/**
 * Starts a server that plays an issuing point by the wire protocol, and an API beside it, on a free port of loopback.
 *
 * Everything is below `/s/<scope>`, a scope for each check, so that checks run at the same time. Below its `/control`,
 * a check scripts answers and reads what was asked.
 */
export async function startIssuingPoint(): Promise<Server> {
  const scopes = new Map<string, Scope>()
  const attester = createAttester()
  const server = await listen((request, response, text) => {
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`)
    const [, name, path] = /^\/s\/([\w-]+)(\/.*)$/.exec(url.pathname) ?? []
    if (name === undefined || path === undefined) return send(response, { status: 404 })
    let scope = scopes.get(name)
    if (scope === undefined) {
      scope = { url: `${url.origin}/s/${name}`, seen: [], script: [], tokens: 0 }
      scopes.set(name, scope)
    }
    const incoming = { scope, path, url, request, body: parse(text, request.headers['content-type']) }
    send(response, path.startsWith('/control/') ? control(incoming, attester) : answer(incoming, attester))
  })
  return server
}

function parse(text: string, type = ''): Incoming['body'] {
  if (text === '') return undefined
  return type.startsWith('application/x-www-form-urlencoded')
    ? Object.fromEntries(new URLSearchParams(text))
    : JSON.parse(text)
}

function control({ scope, path, body }: Incoming, attester: Attester): Reply {
  switch (path) {
    case '/control/script':
      scope.script.push(...((body?.answers ?? []) as Answer[]))
      return { status: 204 }
    case '/control/seen':
      return { status: 200, body: scope.seen }
    case '/control/attest':
      return { status: 200, body: { authorization: attester.attest(scope.url, body ?? {}) } }
    default:
      return { status: 404 }
  }
}

function answer(incoming: Incoming, attester: Attester): Reply {
  const { scope, path, request, body } = incoming
  const authorization = request.headers.authorization
  scope.seen.push({ method: request.method ?? '', path, authorization, body })
  if (path === '/.well-known/jwks.json') return { status: 200, body: { keys: [attester.publicJwk] } }
  if (path.startsWith('/api/')) return answerApi(incoming)
  const known = {
    id: 'scl_1',
    uid: 'weather/mybot',
    name: 'mybot',
    type: 'weather',
  }
  switch (`${request.method} ${path}`) {
    case 'POST /v1/connect/token/weather%2Fmybot':
      return issue(scope, scope.script.shift() ?? {}, known)
    case 'POST /oauth/token':
      return { status: 200, body: exchanged(scope) }
    case 'GET /v1/connect/connectors/weather%2Fmybot':
      return {
        status: 200,
        body: { ...known, service: 'weather', createdAt: 1, updatedAt: 2, data: { a: 1 } },
      }
    case 'DELETE /v1/connect/connectors/weather%2Fmybot/tokens':
      return { status: 200, body: { revoked: 1 } }
    case 'POST /v1/connect/authorize/weather%2Fmybot':
    case 'POST /v1/connect/install/weather%2Fmybot':
      return { status: 200, body: begun(scope, known) }
    case 'POST /v1/connect/requests/crq_1/status':
      return { status: 200, body: { request: 'crq_1', status: 'active' } }
    case 'POST /v1/connect/requests/crq_1/complete':
      return body?.code === 'right-code' && body.verifier === 'verifier-1'
        ? { status: 200, body: { request: 'crq_1', status: 'active' } }
        : refusal(403, 'forbidden')
    default:
      return refusal(404, 'not_found')
  }
}

function issue(scope: Scope, scripted: Answer, connector: object): Reply {
  const { delayMs = 0, headers = {}, code, lifeMs = 3_600_000, origins } = scripted
  if (code !== undefined) return { ...refusal(scripted.status ?? 400, code), headers, delayMs }
  scope.tokens++
  const body = {
    token: `token-${scope.tokens}`,
    tokenId: `stk_${scope.tokens}`,
    expiresAt: Date.now() + lifeMs,
    connector,
    ...(origins === undefined ? undefined : { origins }),
  }
  return { status: 200, body, delayMs }
}

/** As RFC 8693 section 2.2.1 answers. */
function exchanged(scope: Scope): object {
  scope.tokens++
  return {
    access_token: `token-${scope.tokens}`,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: 3600,
  }
}

function begun(scope: Scope, connector: object): object {
  return {
    url: `${scope.url}/consent`,
    request: 'crq_1',
    verifier: 'verifier-1',
    expiresAt: Date.now() + 600_000,
    connector,
  }
}

/** The API that tokens are for. */
function answerApi({ path, url, request, body }: Incoming): Reply {
  const authorization = request.headers.authorization ?? null
  const to = url.searchParams.get('to')
  if (path === '/api/redirect' && to !== null) return { status: 307, headers: { location: to } }
  const [, only] = /^\/api\/only\/([\w-]+)$/.exec(path) ?? []
  if (only !== undefined && authorization !== `Bearer ${only}`) return { status: 401 }
  return { status: 200, body: { authorization, body: body ?? null } }
}

function refusal(status: number, code: string): Reply {
  return { status, body: { error: { code, message: `Refused: ${code}`, requestId: 'req_1' } } }
}

function send(response: ServerResponse, { status, body, headers, delayMs = 0 }: Reply): void {
  const reply = (): void => {
    if (response.destroyed) return
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(body === undefined ? '' : JSON.stringify(body))
  }
  if (delayMs === 0) reply()
  else setTimeout(reply, delayMs).unref()
}
