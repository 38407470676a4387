import { type ErrorBody, errorCodes, type WireErrorCode } from '@valetkey/protocol'

/** A no, as the wire tells it. */
export interface Refusal {
  readonly code: WireErrorCode
  readonly message: string
  readonly retryAfterSeconds?: number | undefined
}

/** What a call comes to. */
export type Outcome<Body extends object = object> = { readonly body: Body } | { readonly refusal: Refusal }

/** @param message default: what the code says of itself. */
export function refuse(
  code: WireErrorCode,
  message: string = errorCodes[code].happened,
): { readonly refusal: Refusal } {
  return { refusal: { code, message } }
}

/** What a broker says of a connector that is not attached; published clients match on it. */
export const notLinked =
  'This connector is not linked to this project and environment (connector is not linked to this project)'

/** An outcome as an answer. */
export function answerOf(outcome: Outcome): Response {
  const requestId = `req_${crypto.randomUUID().replaceAll('-', '')}`
  const headers = new Headers({ 'cache-control': 'no-store', 'x-request-id': requestId })
  if ('body' in outcome) return Response.json(outcome.body, { headers })
  const { code, message, retryAfterSeconds } = outcome.refusal
  const { status } = errorCodes[code]
  if (status === 401) headers.set('www-authenticate', 'Bearer')
  if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds))
  const body: ErrorBody = { error: { code, message, requestId } }
  return Response.json(body, { status, headers })
}
