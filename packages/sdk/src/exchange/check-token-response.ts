import type { TokenResponse } from '@valetkey/protocol'
import { invalidResponse } from '../errors/connect-error.ts'
import { asRecord } from '../http/parse-json.ts'

const maxTokenLength = 65_536

/**
 * An issuing point's answer as a token response, frozen throughout: it is shared by every caller that the cache
 * serves. Fields that this version does not know are kept.
 *
 * @throws {ConnectError} `invalid_response`; nothing of the answer is quoted.
 */
export function checkTokenResponse(value: unknown, nowMs: number): TokenResponse {
  const body = asRecord(value)
  if (body === undefined) throw invalid('is not an object')
  const { token, expiresAt, connector, tokenId, origins } = body
  if (typeof token !== 'string' || token.length === 0) throw invalid('holds no token')
  if (token.length > maxTokenLength) throw invalid('holds an oversized token')
  if (typeof expiresAt !== 'number' || !Number.isFinite(expiresAt))
    throw invalid('does not say when the token expires')
  if (expiresAt <= nowMs)
    throw invalid('holds a token that has already expired; is the clock of this machine right?')
  if (asRecord(connector) === undefined) throw invalid('does not name its connector')
  if (tokenId !== undefined && typeof tokenId !== 'string') throw invalid('holds a malformed tokenId')
  // The only addresses the token may be sent to: a malformed list must not read as "no limit".
  if (
    origins !== undefined &&
    !(Array.isArray(origins) && origins.every((origin) => typeof origin === 'string'))
  )
    throw invalid('holds malformed origins')
  deepFreeze(body)
  return body as unknown as TokenResponse
}

function invalid(what: string): Error {
  return invalidResponse(`The issuing point's answer ${what}`)
}

// With a list and not by recursion: an answer may be nested deeper than the stack.
function deepFreeze(root: object): void {
  const pending: object[] = [root]
  for (let object = pending.pop(); object !== undefined; object = pending.pop()) {
    if (Object.isFrozen(object)) continue
    Object.freeze(object)
    for (const value of Object.values(object))
      if (typeof value === 'object' && value !== null) pending.push(value)
  }
}
