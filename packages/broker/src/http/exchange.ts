import { randomUUID } from 'node:crypto'
import { errorCodes } from '@valetkey/protocol'
import type { Context } from 'hono'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { parseStrictObject } from '../strict-json.ts'
import { whyNotPlain } from './plain-json.ts'

/** What every handler finds in hono's context. */
export interface Environment {
  Variables: { requestId: string; broker: BrokerContext }
}

export type Exchange = Context<Environment>

/** Bodies are read up to here (64 KiB). */
export const maxBodyBytes = 65_536

export function newRequestId(): string {
  return `req_${randomUUID().replaceAll('-', '')}`
}

/** Answers with what a refusal lets the caller know. */
export function sendRefusal(exchange: Exchange, refusal: Refusal): Response {
  const { code, message, retryAfterSeconds } = answerFor(refusal)
  const { status } = errorCodes[code]
  const headers: Record<string, string> = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds)
  // RFC 6750 §3: a 401 names the scheme.
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  const body = JSON.stringify({ error: { code, message, requestId: exchange.get('requestId') } })
  return exchange.body(body, status as 400, headers)
}

/** Answers with an outcome. Answers may carry tokens: nothing on the way may keep them. */
export function send(exchange: Exchange, outcome: Outcome<object>, status: 200 | 201 = 200): Response {
  if (!outcome.ok) return sendRefusal(exchange, outcome.refusal)
  return exchange.body(JSON.stringify(outcome.value), status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
  })
}

/** The JSON object in a request's body; an absent one is `{}` where `optional`. */
export async function readJson(
  exchange: Exchange,
  options: { readonly optional?: boolean } = {},
): Promise<Outcome<unknown>> {
  const invalid = (message: string) => refuse({ reason: 'request_invalid', message })
  const text = await exchange.req.text()
  if (text === '' && options.optional === true) return accept({})
  const type = exchange.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    return invalid('The body must be JSON, with "content-type: application/json"')
  }
  const value = parseStrictObject(text)
  if (value === undefined) return invalid('The body is not a JSON object that names each member once')
  const fault = whyNotPlain(value)
  return fault === undefined ? accept(value) : invalid(`The body ${fault}`)
}

/** A path parameter, decoded; see {@link storable}. */
export function pathParameter(exchange: Exchange, name: string): string {
  return storable(exchange.req.param(name) ?? '')
}

/** The query of a request, each parameter once; see {@link storable}. */
export function queryOf(exchange: Exchange): Record<string, string> {
  return Object.fromEntries(
    Object.entries(exchange.req.query()).map(([name, value]) => [name, storable(value)]),
  )
}

/** Every value of a query parameter that may be repeated; see {@link storable}. */
export function queriesOf(exchange: Exchange, name: string): string[] {
  return (exchange.req.queries(name) ?? []).map(storable)
}

/**
 * What no name can contain (U+0000, half a surrogate pair) becomes U+FFFD: then it is one more name that nothing has,
 * where the database would have failed on it.
 */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed()
}
