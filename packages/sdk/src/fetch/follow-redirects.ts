import { type Body, noBody } from './body.ts'
import type { Outgoing } from './outgoing.ts'

/** A token and where it may go. */
export interface BoundToken {
  readonly token: string
  readonly origins: ReadonlySet<string>
}

/** The last answer of a chain of redirects. */
export interface Hop {
  readonly response: Response
  /** Whether the request that it answers carried the token. */
  readonly carriedToken: boolean
}

/** As many as the Fetch standard follows. */
const maxRedirects = 20
/** What belongs to the origin that it was meant for. */
const boundToOrigin = ['authorization', 'cookie', 'proxy-authorization'] as const
/** What describes a body. */
const aboutBody = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-type',
]

/**
 * Sends a request with the token where it may go, and follows redirects as the Fetch standard says.
 *
 * Not left to the runtime: some still send `Authorization` along to another origin.
 */
export async function followRedirects(
  fetch: typeof globalThis.fetch,
  outgoing: Outgoing,
  { token, origins }: BoundToken,
): Promise<Hop> {
  let { url, method, body } = outgoing
  const headers = new Headers(outgoing.headers)
  // Once elsewhere, never again: who answers there must not choose what is asked of the connector's own origins.
  let carriesToken = origins.has(url.origin)
  if (carriesToken) headers.set('authorization', `Bearer ${token}`)
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(url.href, {
      ...outgoing.others,
      method,
      headers,
      redirect: 'manual',
      ...(outgoing.signal === undefined ? undefined : { signal: outgoing.signal }),
      ...(body.value === null ? undefined : { body: body.value }),
      // Streams are sent before the answer is read; the standard wants that said.
      ...(body.isStream ? { duplex: 'half' } : undefined),
    } as RequestInit)
    const next = redirectOf(response, url)
    if (next === undefined || outgoing.redirect === 'manual') return { response, carriedToken: carriesToken }
    response.body?.cancel().catch(() => {})
    if (outgoing.redirect === 'error')
      throw new TypeError('The request was redirected, and redirect is "error"')
    if (redirects >= maxRedirects) throw new TypeError(`More than ${maxRedirects} redirects`)
    if (becomesGet(response.status, method)) {
      method = 'GET'
      body = noBody
      for (const name of aboutBody) headers.delete(name)
    }
    checkReplayable(body)
    if (next.origin !== url.origin) {
      for (const name of boundToOrigin) headers.delete(name)
      carriesToken = carriesToken && origins.has(next.origin)
      if (carriesToken) headers.set('authorization', `Bearer ${token}`)
    }
    url = next
  }
}

/** Where a response redirects to; undefined where it does not, or can't be followed. */
function redirectOf(response: Response, from: URL): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(response.status)) return undefined
  const location = response.headers.get('location')
  if (location === null) return undefined
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
  if (next === undefined || !/^https?:$/.test(next.protocol))
    throw new TypeError('The request was redirected to what is no web address')
  return next
}

// RFC 9110 section 15.4, as the Fetch standard narrows it.
function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== 'GET' && method !== 'HEAD'
  return (status === 301 || status === 302) && method === 'POST'
}

function checkReplayable(body: Body): void {
  if (!body.isReplayable) throw new TypeError('The request was redirected, and its body cannot be sent again')
}
