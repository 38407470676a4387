import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector, Pool } from 'undici'
import { checkDestination, type Destination, type EgressPolicy } from './egress-policy.ts'

/** One answer of a name lookup. */
export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

/** Resolves a host name to all of its addresses. */
export type Lookup = (hostname: string) => Promise<readonly ResolvedAddress[]>

/** Idle connections end after this, so that a changed DNS answer is looked at again. */
const idleTimeoutMs = 30_000

/** Enough for any provider; a flood of requests waits instead of opening sockets without bound. */
const maxConnectionsPerOrigin = 128

/** Asks the system's resolver, as the rest of the machine does (`/etc/hosts` and search domains included). */
export const resolveWithSystem: Lookup = (hostname) =>
  systemLookup(hostname, { all: true, order: 'verbatim' })

/**
 * Makes the undici agent through which calls leave. Each new connection resolves its name once, checks every
 * address, and gives exactly these addresses to the socket: there is no second lookup that could answer otherwise.
 * TLS still verifies the certificate against the name.
 */
export function createPinnedAgent(options: {
  readonly policy: EgressPolicy
  readonly lookup: Lookup
  readonly timeoutMs: number
}): Agent {
  return new Agent({
    headersTimeout: options.timeoutMs,
    bodyTimeout: options.timeoutMs,
    keepAliveTimeout: idleTimeoutMs,
    // A server's own keep-alive hint may not outlast ours.
    keepAliveMaxTimeout: idleTimeoutMs,
    connections: maxConnectionsPerOrigin,
    factory: (origin, poolOptions) =>
      new Pool(origin, { ...poolOptions, connect: pinnedConnector(new URL(origin), options) }),
  })
}

/** A connector of one origin, because a socket's lookup learns neither scheme nor port. */
function pinnedConnector(
  origin: URL,
  options: { readonly policy: EgressPolicy; readonly lookup: Lookup; readonly timeoutMs: number },
): buildConnector.connector {
  const connect = buildConnector({
    timeout: options.timeoutMs,
    autoSelectFamily: true,
    lookup: checkedLookup(options.lookup, (hostname, addresses) =>
      checkDestination(options.policy, destinationOf(origin, hostname), addresses),
    ),
  })
  return (target, callback) => {
    // A socket connects to an address literal without any lookup.
    if (isIP(target.hostname) !== 0) {
      try {
        checkDestination(options.policy, destinationOf(origin, target.hostname), [target.hostname])
      } catch (error) {
        callback(error instanceof Error ? error : new Error('The destination could not be checked'), null)
        return
      }
    }
    connect(target, callback)
  }
}

/** What a URL asks to connect to. */
export function destinationOf(url: URL, hostname: string = bareHost(url)): Destination {
  const defaultPort = url.protocol === 'https:' ? 443 : 80
  return { protocol: url.protocol, hostname, port: url.port === '' ? defaultPort : Number(url.port) }
}

function bareHost(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}

function checkedLookup(
  lookup: Lookup,
  check: (hostname: string, addresses: readonly string[]) => void,
): LookupFunction {
  return (hostname, lookupOptions, callback) => {
    resolveAndCheck(hostname, lookup, check).then(
      ([first, ...rest]) => {
        if (lookupOptions.all === true) callback(null, [first, ...rest])
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    )
  }
}

async function resolveAndCheck(
  hostname: string,
  lookup: Lookup,
  check: (hostname: string, addresses: readonly string[]) => void,
): Promise<readonly [ResolvedAddress, ...ResolvedAddress[]]> {
  const [first, ...rest] = await lookup(hostname)
  if (first === undefined) {
    throw Object.assign(new Error(`"${hostname}" has no address`), { code: 'ENOTFOUND' })
  }
  check(
    hostname,
    [first, ...rest].map(({ address }) => address),
  )
  return [first, ...rest]
}
