import { type RequestInit as UndiciRequestInit, fetch as undiciFetch } from 'undici'
import { parseAddress } from './address.ts'
import { limitBody } from './body-limit.ts'
import { checkDestination, type EgressPolicy, parseEgressPolicy } from './egress-policy.ts'
import { EgressRefused } from './egress-refused.ts'
import { createPinnedAgent, destinationOf, type Lookup, resolveWithSystem } from './pinned-agent.ts'

export { type EgressRefusalReason, EgressRefused } from './egress-refused.ts'
export type { Lookup, ResolvedAddress } from './pinned-agent.ts'

/** What may leave, how long it may take, and how much may come back. */
export interface EgressOptions {
  /** `VALETKEY_EGRESS_ALLOW`: host names and addresses (either with `:port`) and CIDR ranges. */
  readonly allow: readonly string[]
  /** Opens loopback, and http to it: the development broker. */
  readonly allowLoopback: boolean
  /** For a whole call, its body included. Default 10 000. */
  readonly timeoutMs?: number
  /** Of a response body, after decompression. Default 1 MiB. */
  readonly maxBytes?: number
  /** Resolves names. Default: the system's resolver. */
  readonly lookup?: Lookup
}

/** The only way out of the broker. */
export interface Egress {
  /** Never follows a redirect: a 3xx response comes back as it is (or rejects, with `redirect: 'error'`). */
  readonly fetch: typeof globalThis.fetch
  /** Waits for calls under way, then closes every connection. */
  close(): Promise<void>
}

/** Statuses that a `Response` can't be made of with a body (Fetch §"null body status"). */
const nullBodyStatuses: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * Creates the `fetch` of every outgoing call: to public addresses over https only, save what the options open.
 * Proxy variables of the environment are not read: a proxy would resolve names out of our sight.
 *
 * Its `fetch` rejects with {@link EgressRefused} when a rule stops the call; a body over the limit errors with it
 * while it is read.
 *
 * @throws {TypeError} that names the entry of `allow` which can't be used.
 */
export function createEgress(options: EgressOptions): Egress {
  const { timeoutMs = 10_000, maxBytes = 1_048_576, lookup = resolveWithSystem } = options
  const policy = parseEgressPolicy(options)
  const agent = createPinnedAgent({ policy, lookup, timeoutMs })

  return {
    fetch: async (input, init) => {
      const { target, request } = normalise(input, init)
      const url = checkUrl(policy, target)
      const call = startCall(request.signal ?? undefined, timeoutMs)
      try {
        const response = await undiciFetch(url, {
          ...request,
          redirect: request.redirect === 'error' ? 'error' : 'manual',
          signal: call.signal,
          dispatcher: agent,
        })
        const source = nullBodyStatuses.has(response.status) ? null : response.body
        if (source === null) call.end()
        const tooLarge = () =>
          new EgressRefused(
            'response_too_large',
            url.hostname,
            `"${url.hostname}" answered with more than ${maxBytes} bytes`,
          )
        const answer = new Response(
          source === null
            ? null
            : // Where the DOM's types are loaded as well, as some frameworks do, undici's stream is of another type.
              limitBody(source as ReadableStream<Uint8Array>, { maxBytes, tooLarge, call }),
          {
            status: response.status,
            statusText: response.statusText,
            headers: [...response.headers],
          },
        )
        Object.defineProperty(answer, 'url', { value: response.url })
        return answer
      } catch (error) {
        call.end()
        throw refusalWithin(error) ?? error
      }
    },
    close: () => agent.close(),
  }
}

/** One call's clock and abort, from the request to the last byte of the body. */
export interface Call {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  end(): void
}

/** Like `AbortSignal.any`, but lets go of the caller's signal: a signal that lives long would keep every call. */
function startCall(outer: AbortSignal | undefined, timeoutMs: number): Call {
  const controller = new AbortController()
  const forward = () => controller.abort(outer?.reason)
  const timer = setTimeout(() => {
    controller.abort(new DOMException('The call took too long', 'TimeoutError'))
  }, timeoutMs)
  if (outer?.aborted === true) forward()
  outer?.addEventListener('abort', forward, { once: true })
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    end: () => {
      clearTimeout(timer)
      outer?.removeEventListener('abort', forward)
    },
  }
}

function checkUrl(policy: EgressPolicy, target: string): URL {
  const url = URL.canParse(target) ? new URL(target) : undefined
  if (url === undefined) {
    throw new EgressRefused('url_invalid', '', 'Refused to call something that is not an absolute URL')
  }
  const { hostname } = url
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new EgressRefused(
      'scheme_not_allowed',
      hostname,
      `Refused to call "${hostname}": only https is allowed`,
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw new EgressRefused(
      'url_invalid',
      hostname,
      `Refused to call "${hostname}": the URL holds credentials`,
    )
  }
  // Names are checked when they are resolved; an address can be refused before a socket is thought of.
  const destination = destinationOf(url)
  if (parseAddress(destination.hostname) !== undefined) {
    checkDestination(policy, destination, [destination.hostname])
  }
  return url
}

/** The runtime's own `Request` is a stranger to undici's `fetch`, so it is taken apart here. */
function normalise(
  input: string | URL | Request,
  init: RequestInit | undefined,
): { readonly target: string; readonly request: UndiciRequestInit } {
  // The one cast: the runtime's and undici's types describe the same standard twice.
  const given = (init ?? {}) as unknown as UndiciRequestInit
  if (init?.body instanceof FormData)
    throw new TypeError('Encode the form: FormData bodies are not supported')
  if (typeof input === 'string' || input instanceof URL) return { target: String(input), request: given }
  const { url, method, headers, signal, redirect } = input
  const body: Pick<UndiciRequestInit, 'body' | 'duplex'> =
    input.body === null ? {} : { body: input.body, duplex: 'half' }
  return { target: url, request: { method, headers: [...headers], signal, redirect, ...body, ...given } }
}

/** undici wraps what a connection failed with in a `TypeError: fetch failed`. */
function refusalWithin(error: unknown): EgressRefused | undefined {
  let current = error
  for (let depth = 0; depth < 4 && current instanceof Error; depth += 1) {
    if (current instanceof EgressRefused) return current
    current = current.cause
  }
  return undefined
}
