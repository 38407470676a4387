import { isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** An address after parsing; an IPv4-mapped IPv6 address has become the IPv4 address it reaches. */
export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6

/** An address and the number of leading bits that make a range of it. */
export type IpRange = readonly [IpAddress, number]

/**
 * What an address reaches. `public` is open to every call; `private` and `loopback` need a setting; `special`
 * (documentation, benchmarking, transition mechanisms and the like) needs a range that names it; `forbidden`
 * (link-local, metadata services, unspecified, multicast, zone ids) is closed whatever the settings say.
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'special' | 'forbidden'

/**
 * Where a cloud answers with credentials outside the link-local ranges: AWS and Google over IPv6, Alibaba,
 * Oracle, and Azure's host agent, whose address is even a public one.
 */
const metadataServices: readonly string[] = [
  'fd00:ec2::254',
  'fd20:ce::254',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
]

/** IPv6 ranges whose addresses carry an IPv4 address, and the 16-bit group in which it starts. */
const carriersOfIpv4: readonly { readonly range: IpRange; readonly group: number }[] = [
  { range: ipaddr.parseCIDR('::/96'), group: 6 }, // IPv4-compatible, RFC 4291 §2.5.5.1
  { range: ipaddr.parseCIDR('::ffff:0:0:0/96'), group: 6 }, // IPv4-translated, RFC 2765
  { range: ipaddr.parseCIDR('64:ff9b::/96'), group: 6 }, // NAT64, RFC 6052
  { range: ipaddr.parseCIDR('64:ff9b:1::/48'), group: 6 }, // local NAT64 (/96 form), RFC 8215
  { range: ipaddr.parseCIDR('2002::/16'), group: 1 }, // 6to4, RFC 3056
]

/** All that IANA has assigned for public use; ipaddr.js calls everything it has no name for "unicast". */
const globalUnicast: IpRange = ipaddr.parseCIDR('2000::/3')

const metadataAddresses: readonly IpAddress[] = metadataServices.map((text) => ipaddr.parse(text))

/** Parses any spelling of an IP address (decimal, octal, hexadecimal, short, mapped); undefined for other text. */
export function parseAddress(text: string): IpAddress | undefined {
  // ipaddr.js reads ::8.8.8.8 as the mapped ::ffff:8.8.8.8; a socket reads it as it stands, as ::808:808.
  const dotted = isIPv6(text) && text.includes('.') && !text.includes('%')
  const plain = dotted ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text
  return ipaddr.isValid(plain) ? ipaddr.process(plain) : undefined
}

/** Whether `range` contains `address`; ranges of the other family never do. */
export function rangeContains(range: IpRange, address: IpAddress): boolean {
  return address.kind() === range[0].kind() && address.match(range[0], range[1])
}

/** Says what an address reaches, by the IANA special-purpose registries. */
export function classifyAddress(address: IpAddress): AddressKind {
  // A zone id picks an interface of this machine: no public address has one.
  if ('zoneId' in address && address.zoneId !== undefined) return 'forbidden'
  if (isNeverAllowed(address)) return 'forbidden'
  if (address.range() === 'loopback') return 'loopback'
  // A translator would carry the call on to that address: only a public one may be behind a range that a setting
  // opens (64:ff9b::/96 in an IPv6-only network).
  const carried = carriedIpv4(address)
  if (carried !== undefined && classifyAddress(carried) !== 'public') return 'forbidden'

  switch (address.range()) {
    case 'unicast':
      return address.kind() === 'ipv4' || rangeContains(globalUnicast, address) ? 'public' : 'special'
    case 'private':
    case 'uniqueLocal':
    case 'carrierGradeNat':
      return 'private'
    default:
      return 'special'
  }
}

/** Whether an address, or a range that starts with it, is closed whatever the settings say. */
export function isNeverAllowed(address: IpAddress): boolean {
  switch (address.range()) {
    case 'linkLocal':
    case 'unspecified': // Linux connects 0.0.0.0 and :: to loopback.
    case 'multicast':
    case 'broadcast':
      return true
    default:
      return metadataAddresses.some((known) => known.toString() === address.toString())
  }
}

function carriedIpv4(address: IpAddress): IpAddress | undefined {
  if (!('parts' in address)) return undefined
  const carrier = carriersOfIpv4.find(({ range }) => rangeContains(range, address))
  if (carrier === undefined) return undefined
  const high = address.parts[carrier.group] ?? 0
  const low = address.parts[carrier.group + 1] ?? 0
  return new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff])
}
