import type { IdentityReport } from '@valetkey/sdk/identity'
import { locatePlace } from '../broker-client/locate.ts'
import { asFailure, Failure } from '../failure.ts'
import type { Shell } from '../shell.ts'
import { type ShownClaims, shownClaims } from './claims.ts'
import { findPulled } from './workload.ts'

/** The identity that the SDK would use here, never the credential itself, and what each of its sources saw. */
export type IdentityFinding = {
  readonly sources: IdentityReport['sources']
  /** Why `.env.local` was passed over although it is there. */
  readonly notice?: string
} & (
  | {
      readonly found: true
      /** The SDK's name of the source, or `.env.local`. */
      readonly source: string
      /** Absent for a workload access token, which says nothing by itself. */
      readonly claims?: ShownClaims
      /** What whoever receives the identity could do with it elsewhere. */
      readonly weakness?: string
    }
  | {
      readonly found: false
      /** The one that matched and is broken; absent when there is none at all. */
      readonly source?: string
      readonly code: string
      readonly reason: string
    }
)

/** The source of what `valetkey env pull` wrote. The SDK does not read the file: the app loads it. */
export const pulledSource = '.env.local'

/**
 * Asks the SDK which identity it would use and why no other. A platform's own source is asked for real; nothing is sent
 * to the broker. Where nothing names a broker the SDK is asked all the same: on Vercel it knows where to go.
 *
 * What `env pull` wrote counts only where no source matches.
 *
 * @throws {Failure} why no broker was found, where the SDK can't make sense of its address either.
 */
export async function probeIdentity(shell: Shell): Promise<IdentityFinding> {
  const pulled = await findPulled(shell).catch(asFailure)
  if (pulled === undefined) return await probeAmbient(shell)
  if (pulled instanceof Failure) return { ...(await probeAmbient(shell)), notice: pulled.message }
  if ('notice' in pulled) return { ...(await probeAmbient(shell)), notice: pulled.notice }

  const { url, identityToken } = pulled
  const ambient = await report(shell, { url })
  const matched = matchedSource(ambient.sources)
  if (matched !== undefined) {
    const notice = `.env.local is passed over: the SDK does not read it, and the platform's own identity (${matched}) decides`
    return { ...asFinding(ambient), notice }
  }
  const given = asFinding(await report(shell, { url, identityToken }))
  return { ...given, source: pulledSource, sources: ambient.sources }
}

async function probeAmbient(shell: Shell): Promise<IdentityFinding> {
  const place = await locatePlace(shell).catch(asFailure)
  if (!(place instanceof Failure)) return asFinding(await report(shell, { url: place.url }))
  // What the SDK can't read either was said better by the failure.
  const found = await report(shell, {}).catch(() => undefined)
  if (found === undefined) throw place
  return asFinding(found)
}

async function report(
  shell: Shell,
  { url, identityToken }: { readonly url?: string; readonly identityToken?: string },
): Promise<IdentityReport> {
  const { reportIdentity } = await shell.loadIdentityReport()
  return await reportIdentity(
    { ...(url === undefined ? {} : { url }), fetch: shell.fetch, now: () => shell.now() },
    identityToken === undefined ? {} : { identityToken },
  )
}

function asFinding({ source, claims, weakness, error, sources }: IdentityReport): IdentityFinding {
  if (error === undefined && source !== undefined)
    return {
      found: true,
      source,
      ...(claims === undefined ? {} : { claims: shownClaims(claims) }),
      ...(weakness === undefined ? {} : { weakness }),
      sources,
    }
  const { code, message } = error ?? { code: 'identity_unavailable', message: 'The SDK found no identity' }
  const broken = sources.find(({ outcome }) => outcome === 'broken')?.name
  return { found: false, ...(broken === undefined ? {} : { source: broken }), code, reason: message, sources }
}

function matchedSource(sources: IdentityReport['sources']): string | undefined {
  return sources.find(({ outcome }) => outcome === 'used' || outcome === 'broken')?.name
}
