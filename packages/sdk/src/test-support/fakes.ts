import type { TokenResponse } from '@valetkey/protocol'
import type { Context } from '../client/context.ts'
import { type ClientConfig, createContext } from '../client/create-context.ts'
import type { ReadEnvironment } from '../client/environment.ts'
import { ConnectError } from '../errors/connect-error.ts'

/** One request that reached a fake. */
export interface SeenRequest {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly body: unknown
  readonly signal: AbortSignal | undefined
}

type Answering = (request: SeenRequest, index: number) => Response | Promise<Response>

/** A fetch that answers by function and remembers what it was asked. */
export function fakeFetch(answer: Answering): typeof globalThis.fetch & { readonly seen: SeenRequest[] } {
  const seen: SeenRequest[] = []
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const text = typeof init?.body === 'string' ? init.body : undefined
    const request: SeenRequest = {
      url: String(input),
      method: init?.method ?? 'GET',
      headers: new Headers(init?.headers as Record<string, string>),
      body: text === undefined ? undefined : JSON.parse(text),
      signal: init?.signal ?? undefined,
    }
    seen.push(request)
    return answer(request, seen.length - 1)
  }
  return Object.assign(fetch, { seen }) as never
}

/** A token response that lives an hour unless told otherwise. */
export function tokenResponse(more: Partial<TokenResponse> = {}): TokenResponse {
  return {
    token: 'provider-token',
    expiresAt: Date.now() + 3_600_000,
    connector: { id: 'scl_1', uid: 'slack/mybot', type: 'slack' },
    ...more,
  }
}

/** Answers every request with another token: `token-1`, `token-2`, ... */
export function countingFetch(
  more: (index: number) => Partial<TokenResponse> = () => ({}),
): ReturnType<typeof fakeFetch> {
  return fakeFetch((_request, index) =>
    Response.json(
      tokenResponse({ token: `token-${index + 1}`, tokenId: `stk_${index + 1}`, ...more(index) }),
    ),
  )
}

/** An unsigned JWT: the SDK never verifies one. */
export function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`
}

export const inAnHourSeconds: number = Math.floor(Date.now() / 1000) + 3600

export function environment(variables: Record<string, string>): ReadEnvironment {
  return (name) => variables[name]
}

export const brokerUrl = 'https://broker.example'

/** A context for the broker of these tests, in an environment of its own. */
export function testContext(config: ClientConfig = {}, variables: Record<string, string> = {}): Context {
  const where =
    config.url === undefined && config.issuingPoint === undefined && variables.VALETKEY_URL === undefined
  return createContext({ ...(where ? { url: brokerUrl } : undefined), ...config }, environment(variables))
}

/** A clock that tests move. */
export function testClock(): { now: () => number; advance: (ms: number) => void } {
  let at = Date.now()
  return {
    now: () => at,
    advance: (ms) => {
      at += ms
    },
  }
}

/** The ConnectError that `promise` rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<ConnectError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof ConnectError) return outcome
  throw new Error(`expected a ConnectError, got ${String(outcome)}`)
}

/** The ConnectError that `call` throws. */
export function errorThrownBy(call: () => unknown): ConnectError {
  try {
    call()
  } catch (error) {
    if (error instanceof ConnectError) return error
    throw error
  }
  throw new Error('expected a ConnectError, nothing was thrown')
}

/** A promise and what settles it. */
export function deferred<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => {}
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
