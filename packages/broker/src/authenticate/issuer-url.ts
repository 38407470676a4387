/**
 * Says why a rule can't name an issuer; undefined when it can. The text is kept as it was written: issuers are
 * compared byte for byte (OpenID Connect Core §3.1.3.7), so that nothing which merely normalises to it passes.
 */
export function checkIssuer(
  issuer: string,
  options: { readonly publicUrl: string; readonly allowHttpLoopback: boolean },
): string | undefined {
  // The URL parser would silently drop or turn these, and "?" and "#" even when nothing follows them.
  if (/[\s\\?#]/.test(issuer)) return 'must not hold spaces, "\\", a query or a fragment'
  if (!URL.canParse(issuer)) return 'must be an absolute https URL'
  const url = new URL(issuer)
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  if (url.protocol !== 'https:') {
    if (url.protocol !== 'http:') return 'must be an https URL'
    if (!isLoopbackHost(url.hostname)) return 'must be an https URL: http is for loopback only'
    if (!options.allowHttpLoopback) return 'must be an https URL: this broker does not accept http issuers'
  }
  if (isUnder(url, new URL(options.publicUrl))) {
    return 'this broker cannot be trusted by rule: its development identities are built in, and its other tokens are not identities'
  }
  return undefined
}

/** Whether a URL's host name is this machine by definition (RFC 6761 §6.3, RFC 8252 §7.3). */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

function isUnder(url: URL, base: URL): boolean {
  if (url.origin !== base.origin) return false
  const path = base.pathname.endsWith('/') ? base.pathname : `${base.pathname}/`
  return `${url.pathname}/`.startsWith(path)
}
