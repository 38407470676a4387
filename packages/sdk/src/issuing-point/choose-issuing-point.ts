import { type ReadEnvironment, vercelRequestContext } from '../client/environment.ts'
import { ConnectError } from '../errors/connect-error.ts'
import { checkRegion } from '../request/call-options.ts'
import type { Destination } from './issuing-point.ts'
import { parseIssuingPointUrl } from './parse-issuing-point-url.ts'

const vercelConnectUrl = 'https://api.vercel.com'

/** The issuing point at an address that someone configured: Vercel Connect at its own, a broker anywhere else. */
export function issuingPointAt(text: unknown, option: string, read: ReadEnvironment): Destination {
  const { base, origin } = parseIssuingPointUrl(text, option)
  if (base === vercelConnectUrl) return vercelConnect(read)
  return { id: base, audience: base, origin, isVercelConnect: false, namedByUrl: true, reach: () => base }
}

/**
 * Vercel Connect, at `https://api.vercel.com` or a region's own address. One issuing point whatever the region: a
 * region says where a request goes, not which token comes back.
 */
export function vercelConnect(read: ReadEnvironment): Destination {
  return {
    id: vercelConnectUrl,
    audience: vercelConnectUrl,
    origin: vercelConnectUrl,
    isVercelConnect: true,
    namedByUrl: false,
    reach(region) {
      const variable = region ?? read('VERCEL_REGION')
      return variable === undefined
        ? vercelConnectUrl
        : `https://api-${checkRegion(variable, 'VERCEL_REGION')}.vercel.com`
    },
  }
}

/** Chooses by environment: `VALETKEY_URL`, else Vercel Connect on Vercel. The choice is remade when the variable changes. */
export function createIssuingPointChoice(read: ReadEnvironment): () => Destination {
  let chosenFor: string | undefined
  let chosen: Destination | undefined
  return () => {
    const url = read('VALETKEY_URL')
    if (url === undefined && !isOnVercel(read))
      throw new ConnectError(
        'No issuing point is named: set VALETKEY_URL, or pass `url` to createClient (`npx valetkey dev` starts one)',
        { code: 'issuing_point_missing' },
      )
    if (chosen === undefined || url !== chosenFor) {
      chosen = url === undefined ? vercelConnect(read) : issuingPointAt(url, 'VALETKEY_URL', read)
      chosenFor = url
    }
    return chosen
  }
}

function isOnVercel(read: ReadEnvironment): boolean {
  return (
    vercelRequestContext() !== undefined || read('VERCEL') === '1' || read('VERCEL_OIDC_TOKEN') !== undefined
  )
}
