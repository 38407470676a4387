import type { ReadEnvironment } from '../client/environment.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'

/**
 * Whether credentials from `VALETKEY_*` variables may be sent to `destination`.
 *
 * They belong to the issuing point that `VALETKEY_URL`, or the client's own `url`, names. A custom issuing point gets
 * them only when it declares that very origin; Vercel Connect never does.
 */
export function mayReceiveOperatorCredentials(read: ReadEnvironment, destination: Destination): boolean {
  if (destination.namedByUrl) return true
  const { origin, isVercelConnect } = destination
  if (origin === undefined || isVercelConnect) return false
  const url = read('VALETKEY_URL')
  return url !== undefined && URL.canParse(url) && new URL(url).origin === origin
}
