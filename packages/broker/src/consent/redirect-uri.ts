const loopback = /^(?:localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])$/

/**
 * What is wrong with a URL to which a browser is to be sent; undefined when nothing is.
 *
 * It must be written as the URL parser writes it: what one parser reads as a host another may read as a path, with
 * control characters, backslashes and user info as the usual means (RFC 9700 §4.1, §4.11).
 */
export function whyNotRedirectUri(text: string): string | undefined {
  // Tabs and line feeds vanish in parsing, and a backslash becomes a slash.
  if (!/^[\x21-\x5b\x5d-\x7e]+$/.test(text)) return 'must hold no spaces, control characters or backslashes'
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return 'must be an absolute URL'
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.test(url.hostname)))
    return 'must be https, or http on localhost'
  if (url.hash !== '' || text.includes('#')) return 'must hold no fragment'
  const authority = /^https?:\/\/([^/?#]*)/.exec(text)?.[1] ?? ''
  if (authority.includes('@')) return 'must hold no user info'
  if (authority.toLowerCase().replace(/:(?:80|443)$/, '') !== url.host.replace(/:(?:80|443)$/, ''))
    return 'must name its host plainly'
  return undefined
}
