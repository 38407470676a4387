import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'
import {
  type AddressKind,
  classifyAddress,
  type IpRange,
  isNeverAllowed,
  parseAddress,
  rangeContains,
} from './address.ts'
import { EgressRefused } from './egress-refused.ts'

/** Where a connection is about to go. */
export interface Destination {
  readonly protocol: string
  /** As the URL parser gives it, without brackets. */
  readonly hostname: string
  readonly port: number
}

/** What is open beyond public https, ready to be asked. */
export interface EgressPolicy {
  readonly allowLoopback: boolean
  readonly entries: readonly AllowEntry[]
}

type AllowEntry = ({ readonly host: string } | { readonly range: IpRange }) & {
  readonly port: number | undefined
}

const label = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/

/**
 * Parses `VALETKEY_EGRESS_ALLOW`: host names, addresses (either with `:port`) and CIDR ranges.
 *
 * @throws {TypeError} that names the entry which is none of these, or is never allowed.
 */
export function parseEgressPolicy(options: {
  readonly allow: readonly string[]
  readonly allowLoopback: boolean
}): EgressPolicy {
  return { allowLoopback: options.allowLoopback, entries: options.allow.map(parseEntry) }
}

/**
 * Checks every address a destination resolved to.
 *
 * One address that isn't allowed refuses them all: a name that answers with a public and a private address is
 * either attacked or misconfigured, and taking the public one would hide it.
 *
 * @throws {EgressRefused}
 */
export function checkDestination(
  policy: EgressPolicy,
  destination: Destination,
  addresses: readonly string[],
): void {
  for (const text of addresses) {
    const address = parseAddress(text)
    const kind = address === undefined ? 'forbidden' : classifyAddress(address)
    if (!isOpen(policy, destination, kind, address)) throw refusalFor(destination, kind)
    if (destination.protocol !== 'https:' && kind !== 'loopback') {
      throw new EgressRefused(
        'scheme_not_allowed',
        destination.hostname,
        `Refused to call "${destination.hostname}" without TLS: http is allowed to loopback only, and no setting changes that`,
      )
    }
  }
}

function isOpen(
  policy: EgressPolicy,
  destination: Destination,
  kind: AddressKind,
  address: ReturnType<typeof parseAddress>,
): boolean {
  if (address === undefined || kind === 'forbidden') return false
  if (kind === 'public' || (kind === 'loopback' && policy.allowLoopback)) return true
  return policy.entries.some((entry) => {
    if (entry.port !== undefined && entry.port !== destination.port) return false
    if ('range' in entry) return rangeContains(entry.range, address)
    // A name opens what an operator can mean by it; the odd ranges have to be written out.
    return kind !== 'special' && entry.host === canonicalHost(destination.hostname)
  })
}

function refusalFor({ hostname }: Destination, kind: AddressKind): EgressRefused {
  if (kind === 'forbidden') {
    const why = 'it leads to a link-local, metadata or otherwise local-only address, which no setting allows'
    return new EgressRefused('address_forbidden', hostname, `Refused to call "${hostname}": ${why}`)
  }
  const adds = kind === 'special' ? 'its address range' : `"${hostname}"`
  return new EgressRefused(
    'address_not_public',
    hostname,
    `Refused to call "${hostname}": it leads to an address that is not public (${kind}). ` +
      `If that is intended, add ${adds} to VALETKEY_EGRESS_ALLOW`,
  )
}

function canonicalHost(hostname: string): string {
  const lower = hostname.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

function parseEntry(entry: string): AllowEntry {
  const invalid = (why: string) => new TypeError(`VALETKEY_EGRESS_ALLOW: entry "${entry}" ${why}`)
  if (entry.includes('://')) throw invalid('is a URL; write only its host name, with :port if it has one')
  if (entry.includes('/')) return { range: parseRange(entry, invalid), port: undefined }

  const { name, port } = splitPort(entry, invalid)
  if (ipaddr.IPv4.isValidFourPartDecimal(name) || ipaddr.IPv6.isValid(name)) {
    const address = ipaddr.process(name)
    if (classifyAddress(address) === 'forbidden') throw invalid('is never allowed')
    return { range: [address, address.kind() === 'ipv4' ? 32 : 128], port }
  }
  const host = canonicalHost(domainToASCII(name))
  const labels = host.split('.')
  // A last label of digits would be read as an address (WHATWG URL, "ends in a number").
  const isName =
    labels.every((part) => label.test(part)) && !/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')
  if (!isName) throw invalid('is not a host name, an IP address or a CIDR range')
  return { host, port }
}

function parseRange(entry: string, invalid: (why: string) => TypeError): IpRange {
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(entry) && !ipaddr.IPv6.isValidCIDR(entry)) {
    throw invalid('is not a CIDR range such as 10.0.0.0/8')
  }
  const [address, bits] = ipaddr.parseCIDR(entry)
  if ('zoneId' in address && address.zoneId !== undefined) throw invalid('has a zone id')
  if (address.kind() === 'ipv6' && address.range() === 'ipv4Mapped') {
    throw invalid('is an IPv4-mapped range; write it as IPv4')
  }
  // Shorter prefixes would switch the rule off rather than name a network.
  if (bits < 7 || (address.kind() === 'ipv4' && bits < 8)) throw invalid('is too broad: name a network')
  if (isNeverAllowed(address)) throw invalid('is never allowed')
  return [address, bits]
}

function splitPort(
  entry: string,
  invalid: (why: string) => TypeError,
): { readonly name: string; readonly port: number | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(entry)
  const plain = /^([^:]*):([^:]*)$/.exec(entry)
  const name = bracketed?.[1] ?? plain?.[1] ?? entry
  const portText = bracketed === null ? plain?.[2] : bracketed[2]
  if (bracketed !== null && !ipaddr.IPv6.isValid(name)) throw invalid('has brackets around no IPv6 address')
  if (portText === undefined) return { name, port: undefined }
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0
  if (port < 1 || port > 65_535) throw invalid('has no valid port after the colon')
  return { name, port }
}
