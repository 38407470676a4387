import { type Body, bodyOfRequest, bodyOfValue } from './body.ts'

/** A request as its caller described it, ready to be sent more than once if its body can be. */
export interface Outgoing {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: Body
  readonly signal: AbortSignal | undefined
  readonly redirect: Request['redirect']
  /** What else was given: caching, or what one runtime alone knows. */
  readonly others: Readonly<RequestInit>
}

/** Reads what `fetch` is called with. A `Request` is used up by it, as `fetch` would. */
export async function readOutgoing(
  input: string | URL | Request,
  init: RequestInit | undefined,
): Promise<Outgoing> {
  const { method, headers, body, signal, redirect, ...others } = init ?? {}
  if (!isRequest(input)) {
    return {
      url: new URL(input),
      method: normalMethod(method ?? 'GET'),
      headers: new Headers(headers),
      body: bodyOfValue(body ?? null),
      signal: signal ?? undefined,
      redirect: redirect ?? 'follow',
      others,
    }
  }
  return {
    url: new URL(input.url),
    method: normalMethod(method ?? input.method),
    headers: new Headers(headers ?? input.headers),
    body: body === undefined ? await bodyOfRequest(input) : bodyOfValue(body),
    signal: signal === null ? undefined : (signal ?? input.signal ?? undefined),
    redirect: redirect ?? input.redirect ?? 'follow',
    others: { ...settingsOf(input), ...others },
  }
}

/** What a `Request` was made with beside that. Left out where it is the default: some runtimes refuse to be told it. */
function settingsOf(request: Request): RequestInit {
  const defaults: RequestInit = {
    cache: 'default',
    credentials: 'same-origin',
    integrity: '',
    keepalive: false,
    referrerPolicy: '',
  }
  const settings: Record<string, unknown> = {}
  for (const [name, usual] of Object.entries(defaults)) {
    const value: unknown = Reflect.get(request, name)
    if (value !== undefined && value !== usual) settings[name] = value
  }
  return settings
}

// A Request may be another realm's or another implementation's.
function isRequest(input: string | URL | Request): input is Request {
  return typeof input === 'object' && 'headers' in input && 'method' in input
}

/** The names that the Fetch standard normalizes, in capitals. */
function normalMethod(method: string): string {
  const upper = method.toUpperCase()
  return ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'].includes(upper) ? upper : method
}
