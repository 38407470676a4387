import type { Destination } from '../issuing-point/issuing-point.ts'
import { isLoopbackHost } from '../issuing-point/parse-issuing-point-url.ts'

// Audiences that platforms put into tokens meant for someone else. Whoever gets such a token can use it there.
const foreign: readonly string[] = [
  'sts.amazonaws.com',
  'pods.eks.amazonaws.com',
  'api://AzureADTokenExchange',
  'api://AzureADTokenExchangeUSGov',
  'api://AzureADTokenExchangeChina',
  'https://management.azure.com',
  'https://kubernetes.default.svc',
  'kubernetes.default.svc',
  'kubernetes.svc.default',
  'k3s',
  'https://iam.googleapis.com',
  '//iam.googleapis.com',
]

/**
 * Whether `audience` is evidently not the issuing point: a well-known other party, or a web address elsewhere.
 * Anything else may be a name that the issuing point was configured with.
 */
export function isForeignAudience(
  audience: string,
  destination: Pick<Destination, 'audience' | 'origin' | 'isVercelConnect'>,
): boolean {
  if (isKnownOther(audience)) return true
  if (audience === destination.audience || !/^https?:/i.test(audience)) return false
  if (!URL.canParse(audience)) return true
  const url = new URL(audience)
  // Vercel names its own tokens' audience https://vercel.com/<team>.
  if (destination.isVercelConnect)
    return url.origin !== 'https://vercel.com' && url.origin !== destination.origin
  const own = destination.origin ?? (URL.canParse(destination.audience) ? destination.audience : undefined)
  return own === undefined || !isSameServer(url, new URL(own))
}

/** Whether `audience` is that of a well-known token service, whatever the issuing point. */
export function isKnownOther(audience: string): boolean {
  return foreign.some((known) => isSameOrBelow(audience, known))
}

function isSameOrBelow(audience: string, known: string): boolean {
  const rest = audience.slice(known.length)
  return audience.startsWith(known) && (rest === '' || rest[0] === '/' || rest[0] === '.' || rest[0] === ':')
}

// Two names of this machine with one port are one server: `localhost` in one setting and 127.0.0.1 in the other.
function isSameServer(one: URL, other: URL): boolean {
  if (one.origin === other.origin) return true
  return (
    one.protocol === other.protocol &&
    one.port === other.port &&
    isLoopbackHost(one.hostname) &&
    isLoopbackHost(other.hostname)
  )
}
