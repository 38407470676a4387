import { isLoopbackHost } from '../issuing-point/parse-issuing-point-url.ts'
import { mustBe } from '../request/check-values.ts'

const maxUrlLength = 2048

/** True for an https address, or an http one on this machine if that will do, without user info and fragment. */
export function isWebAddress(value: unknown, loopback: boolean): value is string {
  // Decided on the text as well: the URL parser drops tabs, turns `\` into `/` and forgets an empty user name, so
  // that what it shows is not what another parser sees.
  if (typeof value !== 'string' || value.length > maxUrlLength) return false
  if (!/^https?:\/\/[^/?#@\\]+(?:[/?]|$)/i.test(value) || hasForeignCharacters(value)) return false
  if (!URL.canParse(value)) return false
  const { protocol, hostname, username, password } = new URL(value)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (loopback && protocol === 'http:' && isLoopbackHost(hostname))
}

// Spaces and control characters, `\` and `#`.
function hasForeignCharacters(text: string): boolean {
  for (const character of text) {
    const code = character.charCodeAt(0)
    if (code <= 0x20 || (code >= 0x7f && code <= 0x9f) || character === '\\' || character === '#') return true
  }
  return false
}

/** `value` as the address a browser returns to. It travels as it is: issuing points compare it exactly. */
export function checkCallbackUrl(value: unknown, name: string): string {
  if (isWebAddress(value, true)) return value
  throw mustBe(name, 'an https address (http on loopback only), without user info and fragment')
}

/** `value` as the address that is told of changes. http only where the issuing point is on this machine too. */
export function checkWebhook(value: unknown, name: string, issuingPointOrigin: string | undefined): string {
  if (isWebAddress(value, isLoopbackOrigin(issuingPointOrigin))) return value
  throw mustBe(
    name,
    'an https address (http on loopback only, for an issuing point on loopback), without user info and fragment',
  )
}

/** True for the origin of an issuing point on this machine. */
export function isLoopbackOrigin(origin: string | undefined): boolean {
  return origin !== undefined && isLoopbackHost(new URL(origin).hostname)
}
