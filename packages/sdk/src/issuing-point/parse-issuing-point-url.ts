import { invalidRequest } from '../errors/connect-error.ts'

/** A checked address of an issuing point. */
export interface IssuingPointUrl {
  /** Without a trailing slash: the prefix of every route, the audience, and the name in the cache. */
  readonly base: string
  readonly origin: string
}

/**
 * Checks an address given by configuration. https, or http on loopback; no credentials, query or fragment; a path is
 * a prefix, a trailing slash does not matter.
 *
 * @throws {ConnectError} `invalid_request`, naming `option` and not the address, which may hold a password.
 */
export function parseIssuingPointUrl(text: unknown, option: string): IssuingPointUrl {
  const url =
    typeof text === 'string' && text.length <= 2048 && URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined ||
    (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) ||
    url.username !== '' ||
    url.password !== '' ||
    // `search` and `hash` are empty for a bare `?` or `#`, which would still end the path.
    /[?#]/.test(url.href)
  )
    throw invalidRequest(
      `${option} must be an https address (http on loopback only), without credentials, query or fragment`,
    )
  return { base: url.href.replace(/\/+$/, ''), origin: url.origin }
}

/** True for the names and addresses of this machine: 127.0.0.0/8, `[::1]`, `localhost`, `*.localhost` (RFC 6761). */
export function isLoopbackHost(hostname: string): boolean {
  // The URL parser has normalised every spelling of an IPv4 address (decimal, hexadecimal, short) by now.
  return (
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname) ||
    hostname === '[::1]' ||
    hostname === 'localhost' ||
    hostname.endsWith('.localhost')
  )
}
