import type { TokenResponse } from '@valetkey/protocol'
import { invalidRequest } from '../errors/connect-error.ts'
import { checkStrings, mustBe } from '../request/check-values.ts'

/** `allowOrigins` as a list of origins. */
export function checkOrigins(value: unknown): readonly string[] {
  if (value === undefined) return []
  return checkStrings(value, 'options.allowOrigins').map((origin, index) => {
    if (!URL.canParse(origin) || !isWebOrigin(origin))
      throw mustBe(`options.allowOrigins[${index}]`, 'an origin, such as https://api.example')
    return origin
  })
}

function isWebOrigin(origin: string): boolean {
  const url = new URL(origin)
  return url.origin === origin && /^https?:$/.test(url.protocol)
}

/** Where a token may be sent. */
export function originsOf(held: TokenResponse, added: readonly string[]): ReadonlySet<string> {
  if (held.origins === undefined && added.length === 0)
    throw invalidRequest(
      'The issuing point does not say where this token may be sent: name the API in allowOrigins',
      held.connector.uid,
    )
  return new Set([...(held.origins ?? []), ...added])
}
