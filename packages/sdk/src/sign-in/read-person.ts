import { invalidResponse } from '../errors/connect-error.ts'
import { asRecord } from '../http/parse-json.ts'
import type { Person } from './types.ts'

/**
 * The person whom the claims of an ID token or of userinfo are about (OpenID Connect Core §5.1). Claims of another
 * kind than they should be are left out.
 *
 * @throws {ConnectError} `invalid_response` when they name nobody.
 */
export function readPerson(claims: unknown): Person {
  const { sub, email, email_verified: verified, name, picture } = asRecord(claims) ?? {}
  if (!isText(sub)) throw invalidResponse('The gateway did not say who signed in')
  return {
    sub,
    // Only the boolean: whoever links accounts by an address has to know it proven.
    emailVerified: isText(email) && verified === true,
    ...(isText(email) ? { email } : undefined),
    ...(isText(name) ? { name } : undefined),
    // It is the provider's text, and ends up in pages.
    ...(isText(picture) && /^https?:\/\//i.test(picture) ? { picture } : undefined),
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 2048
}
