import type { TokenResponse } from '@valetkey/protocol'
import type { BrokerContext } from '../context.ts'
import type { OAuthOutcome } from '../gateway/oauth-error.ts'
import type { Parameters } from '../gateway/parameters.ts'
import { answerTokenRequest } from '../issue/answer-token-request.ts'
import { accept } from '../refusal.ts'
import { exchangeError } from './exchange-error.ts'
import { issuedTokenType, type ParsedExchange, parseExchange } from './parse-exchange.ts'
import { tokenTypeOf } from './token-type.ts'

/**
 * `POST /oauth/token` with the grant type of RFC 8693: another spelling of `POST /v1/connect/token/{connector}`, which
 * authenticates, authorizes, issues and audits it.
 */
export async function answerExchange(
  context: BrokerContext,
  incoming: { readonly requestId: string; readonly parameters: Parameters },
): Promise<OAuthOutcome<object>> {
  const parsed = parseExchange(incoming.parameters)
  if (!parsed.ok) return parsed
  const { credential, connector, body } = parsed.value
  const answered = await answerTokenRequest(context, {
    requestId: incoming.requestId,
    credential,
    connector,
    body: accept(body),
  })
  if (answered.ok) return { ok: true, value: responseOf(context, answered.value, parsed.value) }
  const hasDetails = body.authorizationDetails !== undefined
  return { ok: false, error: exchangeError(answered.refusal, { hasDetails }) }
}

/** The members of RFC 8693 §2.2.1, and of RFC 9396 §7 where details were granted. */
function responseOf(context: BrokerContext, issued: TokenResponse, request: ParsedExchange): object {
  const { scopes = [], authorizationDetails = [] } = issued.granted ?? {}
  return {
    access_token: issued.token,
    issued_token_type: issuedTokenType,
    token_type: tokenTypeOf(context, issued.connector.type),
    expires_in: Math.max(0, Math.floor((issued.expiresAt - context.now()) / 1000)),
    // Required only where it differs from what was asked for, which is what it then says.
    ...(sameSet(scopes, request.scopes ?? []) ? {} : { scope: scopes.join(' ') }),
    ...(authorizationDetails.length === 0 ? {} : { authorization_details: authorizationDetails }),
  }
}

function sameSet(left: readonly string[], right: readonly string[]): boolean {
  const [some, others] = [new Set(left), new Set(right)]
  return some.size === others.size && left.every((value) => others.has(value))
}
