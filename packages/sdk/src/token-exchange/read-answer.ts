import type { TokenRequest, TokenResponse } from '@valetkey/protocol'
import type { TokenEndpointResponse } from 'openid-client'
import { invalidResponse } from '../errors/connect-error.ts'
import type { CheckedConfig } from './check-config.ts'
import type { ExchangeParameters } from './request-parameters.ts'

/** For a token whose answer names no end. */
const unknownTtlSeconds = 60

/**
 * The answer of RFC 8693 §2.2.1 as a token response.
 *
 * `expires_in` is only recommended there. Without it the token is taken to live for a minute: long enough to be of use
 * to the calls that follow each other, and short enough that an end that nobody announced is soon noticed.
 *
 * @throws {ConnectError} `invalid_response` for a token that cannot be used as one, or that carries more than was asked.
 */
export function readAnswer(
  config: CheckedConfig,
  connector: string,
  request: TokenRequest,
  sent: ExchangeParameters & { readonly sentAtMs: number },
  answer: TokenEndpointResponse,
): TokenResponse {
  // openid-client has put the type into lower case, and knows `bearer`, `n_a` and this one.
  if (answer.token_type === 'dpop')
    throw invalidResponse('The token is bound to a key (DPoP) that this client does not hold')
  const { requestedTokenType } = config
  if (
    requestedTokenType !== undefined &&
    (answer.issued_token_type ?? requestedTokenType) !== requestedTokenType
  )
    throw invalidResponse('The token is of another type than config.requestedTokenType')
  const details = answer.authorization_details ?? []
  // RFC 9396 §7: granted details are in the answer. A server that knows none ignored them, and gave more than was asked.
  if (request.authorizationDetails !== undefined && details.length === 0)
    throw invalidResponse('The token endpoint has not narrowed the token by the authorizationDetails')
  const asked = { scopes: sent.scopes, resources: sent.resources }
  return {
    token: answer.access_token,
    expiresAt: sent.sentAtMs + (answer.expires_in ?? unknownTtlSeconds) * 1000,
    connector: { id: connector, uid: connector, type: 'token-exchange' },
    requested: { ...asked, authorizationDetails: request.authorizationDetails ?? [] },
    // RFC 8693 §2.2.1: an absent scope is the one that was asked for.
    granted: { ...asked, scopes: scopesOf(answer.scope) ?? sent.scopes, authorizationDetails: details },
  }
}

function scopesOf(scope: string | undefined): readonly string[] | undefined {
  return scope?.split(' ').filter((name) => name !== '')
}
