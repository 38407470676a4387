import { ConnectError } from '../errors/connect-error.ts'

/** The error for a request that is not to be believed. `why` quotes nothing that was received. */
export function refused(why: string): ConnectError {
  return new ConnectError(`The webhook's attestation was not accepted: ${why}`, { code: 'identity_invalid' })
}
