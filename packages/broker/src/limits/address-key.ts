import ipaddr from 'ipaddr.js'

/**
 * Under which key a client's address is counted: an IPv4 address by itself, of IPv6 the first 64 bits, because whoever
 * has one such address has all of that network. What is no address, or unknown, is counted together.
 */
export function addressKey(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return 'unknown'
  // Also ::ffff:192.0.2.1, as which a socket for both families shows IPv4.
  const parsed = ipaddr.process(address)
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString()
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16))
  return `${network.join(':')}::/64`
}
