import { fail, type OAuthError, type OAuthOutcome } from '../gateway/oauth-error.ts'
import { type Parameters, parseParameters } from '../gateway/parameters.ts'
import type { Exchange } from './exchange.ts'

/** Answers may carry tokens: nothing on the way may keep them (RFC 6749 §5.1). */
const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' }

/** The parameters of a form (RFC 6749 appendix B): no other kind of body is read. */
export async function readForm(exchange: Exchange): Promise<OAuthOutcome<Parameters>> {
  const type = exchange.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded')
    return fail('invalid_request', 'The body must be application/x-www-form-urlencoded')
  // A parameter in the URL would stand in the logs of whatever is on the way (RFC 6749 §2.3.1).
  if (new URL(exchange.req.url).search !== '')
    return fail('invalid_request', 'Parameters belong into the body')
  const parameters = parseParameters(await exchange.req.text())
  return parameters === undefined
    ? fail('invalid_request', 'A parameter holds U+0000')
    : { ok: true, value: parameters }
}

/** The answer of a token endpoint. */
export function sendOAuth(exchange: Exchange, outcome: OAuthOutcome<object>): Response {
  return outcome.ok
    ? exchange.body(JSON.stringify(outcome.value), 200, headers)
    : sendOAuthError(exchange, outcome.error)
}

/** The error answer of RFC 6749 §5.2. */
export function sendOAuthError(exchange: Exchange, error: OAuthError): Response {
  const { code, description, status, retryAfterSeconds } = error
  const body = { error: code, error_description: asDescription(description) }
  return exchange.body(JSON.stringify(body), status, {
    ...headers,
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    // The scheme that a client may use (RFC 6749 §5.2), which HTTP wants named with every 401.
    ...(status === 401 ? { 'www-authenticate': 'Basic realm="valetkey"' } : {}),
  })
}

/** The characters that RFC 6749 §5.2 allows: printable ASCII without quotes and backslashes. */
function asDescription(text: string): string {
  return text
    .replaceAll('"', "'")
    .replaceAll('…', '...')
    .replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?')
}
