/** Why `text` can't be the address of a broker; nothing when it can. */
export function addressProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'is not a URL'
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be an https URL'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  if (/[?#]/.test(text)) return 'must not have a query or a fragment'
  if (url.protocol === 'http:' && !isLoopback(url))
    return 'must use https: http is for this machine (localhost) only'
  return undefined
}

/** A broker's URL as it is used everywhere: no slash at its end. */
export function normalizeAddress(text: string): string {
  return new URL(text).href.replace(/\/+$/, '')
}

/** True when the host of `url` can only be this machine. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname
  // URL has already turned every spelling of an IPv4 address (127.1, 0x7f000001) into four decimal parts.
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(host)
  )
}
