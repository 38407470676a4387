import type { TokenRequest } from '@valetkey/protocol'
import { askOverHttp } from './ask-over-http.ts'
import type { Destination, IssuingPointCall } from './issuing-point.ts'

/** Asks an issuing point for a token: `POST /v1/connect/token/{connector}`, or what a custom one does instead. */
export function requestToken(
  destination: Destination,
  connector: string,
  request: TokenRequest,
  call: IssuingPointCall,
  region: string | undefined,
): Promise<unknown> {
  const { reach, isVercelConnect } = destination
  if (typeof reach === 'object') return reach.issueToken(connector, request, call)
  const { validityBufferMs, rejectedTokenId, context, ...params } = request
  // Vercel Connect has no such fields as the last two, and wants "everything by default" spelled out.
  const body = isVercelConnect
    ? { scopes: ['*'], ...params, ...(validityBufferMs === undefined ? undefined : { validityBufferMs }) }
    : request
  return askOverHttp(reach(region), 'POST', ['token', ''], connector, body, call, params)
}
