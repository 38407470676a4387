import type { IdentityReport } from '@valetkey/sdk/identity'
import type { Shell } from '../shell.ts'
import { type ShownClaims, shownClaims } from './claims.ts'
import type { Workload } from './workload.ts'

/** The identity that the SDK would use here, never the credential itself, and what each of its sources saw. */
export type IdentityFinding = { readonly sources: IdentityReport['sources'] } & (
  | {
      readonly found: true
      /** The SDK's name of the source, or `.env.local`. */
      readonly source: string
      /** Absent for a workload access token, which says nothing by itself. */
      readonly claims?: ShownClaims
      /** What whoever receives the identity could do with it elsewhere. */
      readonly weakness?: string
    }
  | { readonly found: false; readonly code: string; readonly reason: string }
)

/**
 * Asks the SDK which identity it would use and why no other. A platform's own source is asked for real; nothing is sent
 * to the broker.
 */
export async function probeIdentity(shell: Shell, workload: Workload): Promise<IdentityFinding> {
  const { reportIdentity } = await shell.loadIdentityReport()
  const { url, identityToken } = workload
  const { source, claims, weakness, error, sources } = await reportIdentity(
    { url, fetch: shell.fetch, now: () => shell.now() },
    identityToken === undefined ? {} : { identityToken },
  )
  if (error !== undefined || source === undefined) {
    const { code, message } = error ?? { code: 'identity_unavailable', message: 'The SDK found no identity' }
    return { found: false, code, reason: message, sources }
  }
  return {
    found: true,
    source: identityToken === undefined ? source : '.env.local',
    ...(claims === undefined ? {} : { claims: shownClaims(claims) }),
    ...(weakness === undefined ? {} : { weakness }),
    sources,
  }
}
