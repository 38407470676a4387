import type { AudienceOptions } from './fake-platform.ts'
import { type FilePlatform, startFilePlatform } from './token-in-file.ts'

/**
 * A SPIFFE workload whose JWT-SVID `spiffe-helper` keeps in a file; `rotate` brings the next. They live five minutes.
 *
 * @see https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
 */
export function startSpiffe(options: AudienceOptions): Promise<FilePlatform> {
  const description = {
    lifetimeSeconds: 300,
    listsAudience: true,
    claims: { sub: 'spiffe://acme.example/shop/website' },
  }
  const { audience } = options
  return startFilePlatform(
    { description, variable: 'VALETKEY_SPIFFE_TOKEN_FILE', audience, variables: {} },
    options,
  )
}
