import type { Hono } from 'hono'
import { bearerCredential } from '../authenticate/authenticate.ts'
import { answerAuthorize } from '../gateway/authorize.ts'
import { gatewayMetadata } from '../gateway/discovery.ts'
import { fail, failRepeated, type OAuthOutcome } from '../gateway/oauth-error.ts'
import { type Parameters, parseParameters } from '../gateway/parameters.ts'
import { redeemCode } from '../gateway/redeem-code.ts'
import { answerRevoke } from '../gateway/revoke.ts'
import { answerUserinfo } from '../gateway/userinfo.ts'
import { failedPage, pageHeaders } from '../pages/index.ts'
import { answerExchange } from '../token-exchange/answer-exchange.ts'
import { tokenExchangeGrant } from '../token-exchange/parse-exchange.ts'
import { clientAddress } from './client-address.ts'
import type { Environment, Exchange } from './exchange.ts'
import { readForm, sendOAuth, sendOAuthError } from './oauth-answers.ts'

/** The OAuth faces: token exchange for foreign clients, and the gateway by which apps sign people in. */
export function addOAuthRoutes(app: Hono<Environment>): void {
  const describe = (exchange: Exchange) => exchange.json(gatewayMetadata(exchange.get('broker').publicUrl))
  app.get('/.well-known/openid-configuration', describe)
  app.get('/.well-known/oauth-authorization-server', describe)
  app.get('/oauth/jwks', (exchange) =>
    exchange.json({ keys: [exchange.get('broker').gateway.key.publicJwk] }),
  )

  app.get('/oauth/authorize', authorize)
  app.post('/oauth/token', async (exchange) => {
    const form = await readForm(exchange)
    return sendOAuth(exchange, form.ok ? await answerToken(exchange, form.value) : form)
  })
  app.on(['GET', 'POST'], '/oauth/userinfo', userinfo)
  app.post('/oauth/revoke', async (exchange) => {
    const form = await readForm(exchange)
    const revoked = form.ok
      ? await answerRevoke(exchange.get('broker'), { ...incomingOf(exchange), parameters: form.value })
      : form
    return revoked.ok
      ? exchange.body(null, 200, { 'cache-control': 'no-store' })
      : sendOAuthError(exchange, revoked.error)
  })
}

function incomingOf(exchange: Exchange) {
  return { requestId: exchange.get('requestId'), authorization: exchange.req.header('authorization') }
}

async function answerToken(exchange: Exchange, parameters: Parameters): Promise<OAuthOutcome<object>> {
  const context = exchange.get('broker')
  const incoming = { ...incomingOf(exchange), parameters }
  if (parameters.firstRepeated(['audience', 'resource']) === 'grant_type') return failRepeated('grant_type')
  switch (parameters.get('grant_type')) {
    case tokenExchangeGrant:
      return answerExchange(context, incoming)
    case 'authorization_code':
      return redeemCode(context, incoming)
    case undefined:
      return fail('invalid_request', 'grant_type is missing')
    default:
      return fail('unsupported_grant_type', `grant_type must be authorization_code or ${tokenExchangeGrant}`)
  }
}

async function authorize(exchange: Exchange): Promise<Response> {
  const requestId = exchange.get('requestId')
  const limited = await exchange.get('broker').limits.signInStart(clientAddress(exchange))
  if (!limited.ok) {
    exchange.get('broker').audit.countAnonymous('rate_limited')
    exchange.header('retry-after', String(limited.refusal.retryAfterSeconds))
    const view = { title: 'Too many sign-ins', message: 'Wait a minute, then begin again.', requestId }
    return exchange.body(failedPage(view), 429, pageHeaders())
  }
  const parameters = parseParameters(new URL(exchange.req.url).search)
  const answer =
    parameters === undefined
      ? { failed: 'The app that sent you here sent what cannot be read.' }
      : await answerAuthorize(exchange.get('broker'), { parameters })
  if ('redirect' in answer) {
    // Without a referrer: the URL of this request holds state and nonce.
    const headers = {
      location: answer.redirect,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    }
    return exchange.body(null, 303, headers)
  }
  const page = failedPage({ title: 'This sign-in can’t go on', message: answer.failed, requestId })
  return exchange.body(page, 400, pageHeaders())
}

async function userinfo(exchange: Exchange): Promise<Response> {
  const token = bearerCredential(exchange.req.header('authorization'))
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  if (token === undefined)
    return exchange.body(null, 401, { ...headers, 'www-authenticate': 'Bearer realm="valetkey"' })
  const answer = await answerUserinfo(exchange.get('broker'), token)
  if (answer.outcome === 'claims') return exchange.body(JSON.stringify(answer.claims), 200, headers)
  if (answer.outcome === 'limited')
    return exchange.body(null, 429, { ...headers, 'retry-after': String(answer.retryAfterSeconds) })
  // RFC 6750 §3.1: one answer, whether the token is none or its grant is over.
  const description = 'The access token is not valid, or the access has ended'
  const body = { error: 'invalid_token', error_description: description }
  return exchange.body(JSON.stringify(body), 401, {
    ...headers,
    'www-authenticate': `Bearer realm="valetkey", error="invalid_token", error_description="${description}"`,
  })
}
