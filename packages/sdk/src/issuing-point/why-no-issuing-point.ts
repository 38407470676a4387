import type { ReadEnvironment } from '../client/environment.ts'
import { ConnectError } from '../errors/connect-error.ts'
import { findIdentity } from '../identity/find-identity.ts'
import { reportSources } from '../identity/source-report.ts'
import type { Destination } from './issuing-point.ts'

/** A broker that somebody may name: what the sources would say to it. */
export const brokerToBe: Destination = {
  id: 'https://issuing-point.invalid',
  audience: 'https://issuing-point.invalid',
  origin: 'https://issuing-point.invalid',
  isVercelConnect: false,
  namedByUrl: true,
  reach: () => 'https://issuing-point.invalid',
}

/** The error when nothing names an issuing point: what was asked, which identity there would be, and what to run. */
export function whyNoIssuingPoint(read: ReadEnvironment, missing: ConnectError): ConnectError {
  const sources = reportSources(read, brokerToBe, findIdentity(read, brokerToBe))
  const reasons = sources.map(({ name, outcome, reason }) =>
    outcome === 'used' ? `  ${name}: would be used, ${reason}` : `  ${name}: ${reason}`,
  )
  return new ConnectError(
    `${missing.message}, then \`valetkey env pull\` for an identity.\n` +
      'Issuing points, in this order:\n' +
      '  VALETKEY_URL: not set\n' +
      '  Vercel Connect: none of VERCEL, VERCEL_OIDC_TOKEN is set, and no request is being served by Vercel\n' +
      `Identities, in this order:\n${reasons.join('\n')}`,
    { code: missing.code, connector: missing.connector },
  )
}
