import type { TokenRequest } from '@valetkey/protocol'
import { invalidRequest, invalidResponse } from '../errors/connect-error.ts'
import { errorOfAnswer } from '../errors/error-of-answer.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import { type Outgoing, send } from '../http/send.ts'
import type { IssuingPointCall } from './issuing-point.ts'

/**
 * Sends one request of the wire protocol about a connector and returns the body of a success, an object.
 *
 * @param route from `/v1/connect/` on, in front of and behind the connector's segment.
 * @param params what a `user_authorization_required` error is to carry.
 */
export async function askOverHttp(
  base: string,
  method: Outgoing['method'],
  route: readonly [string, string],
  connector: string,
  body: unknown,
  call: IssuingPointCall,
  params?: TokenRequest,
): Promise<unknown> {
  const { credential, traceHeaders: headers = {} } = call
  const url = `${base}/v1/connect/${route[0]}/${segment(connector)}${route[1]}`
  const answer = await send(call, { url, method, headers, credential, body })
  if (answer.status < 200 || answer.status > 299)
    throw errorOfAnswer(answer, { connector, credential, params })
  // A revocation may well be answered without a body.
  if (method === 'DELETE') return undefined
  const object = parseJsonObject(answer.text)
  if (object === undefined)
    throw invalidResponse('The issuing point answered with something else than JSON', answer.status)
  return object
}

function segment(connector: string): string {
  try {
    return encodeURIComponent(connector)
  } catch {
    throw invalidRequest('connector is not well-formed text')
  }
}
