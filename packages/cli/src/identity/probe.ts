import type { Shell } from '../shell.ts'
import { type ShownClaims, shownClaims } from './claims.ts'
import type { Workload } from './workload.ts'

/** The identity that the SDK would use here, never the credential itself. */
export type IdentityFinding =
  | {
      readonly found: true
      /** The SDK's name of the source, or `.env.local`. */
      readonly source: string
      /** Absent for a workload access token, which says nothing by itself. */
      readonly claims?: ShownClaims
    }
  | { readonly found: false; readonly code: string; readonly reason: string }

/**
 * Asks the SDK for a token with a `fetch` that answers the exchange itself, and looks at the credential it was about
 * to send: the SDK's own choice, without a copy of its rules here and without a request to the broker.
 *
 * A platform's own source is asked for real: only the exchange is kept back.
 */
export async function probeIdentity(shell: Shell, workload: Workload): Promise<IdentityFinding> {
  const sdk = await shell.loadSdk()
  let source = workload.identityToken === undefined ? 'unknown' : '.env.local'
  let credential: string | undefined
  const client = sdk.createClient({
    url: workload.url,
    onEvent: (event) => {
      if (event.identity !== undefined && workload.identityToken === undefined) source = event.identity
    },
    fetch: async (input, init) => {
      const request = new Request(input, init)
      if (!request.url.startsWith(`${workload.url}/`)) return await shell.fetch(request)
      credential = request.headers.get('authorization')?.replace(/^Bearer /i, '')
      const error = { code: 'forbidden', message: 'not sent', requestId: '' }
      return Response.json({ error }, { status: 403 })
    },
  })
  const options = workload.identityToken === undefined ? {} : { identityToken: workload.identityToken }
  try {
    await client.getTokenResponse('valetkey/whoami', { subject: { type: 'app' } }, options)
  } catch (error) {
    if (!sdk.isConnectError(error)) throw error
    const { code, message } = error as { code: string; message: string }
    if (credential === undefined) return { found: false, code, reason: message }
  }
  if (credential === undefined)
    return { found: false, code: 'identity_unavailable', reason: 'The SDK sent no credential' }
  const claims = shownClaims(credential)
  return claims === undefined ? { found: true, source } : { found: true, source, claims }
}
