import type { CompleteRequest, ConsentStatusRequest } from '@valetkey/protocol'
import { invalidRequest, invalidResponse } from '../errors/connect-error.ts'
import { errorOfAnswer } from '../errors/error-of-answer.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import { sendOnce } from '../http/send.ts'
import type { Destination, IssuingPointCall } from '../issuing-point/issuing-point.ts'
import { checkId, mustBe } from '../request/check-values.ts'

/** What is sent, by route: a body each. */
type Question =
  | { readonly about: 'status'; readonly body: ConsentStatusRequest }
  | { readonly about: 'complete'; readonly body: CompleteRequest }

/** `value` as the name of a request: one segment of a path. */
export function checkRequestName(value: unknown, name: string): string {
  const request = checkId(value, name, 512)
  if (request === '.' || request === '..') throw mustBe(name, 'more than dots')
  // Half a surrogate pair cannot be encoded.
  if (!request.isWellFormed()) throw mustBe(name, 'well-formed text')
  return request
}

/**
 * Sends one question about a consent request, exactly once, and returns the body of a success.
 *
 * @param onRetryAfter told the answer's `Retry-After`.
 */
export async function askAboutRequest(
  destination: Destination,
  request: string,
  question: Question,
  call: IssuingPointCall,
  region: string | undefined,
  onRetryAfter?: (value: string | null) => void,
): Promise<unknown> {
  const { reach, isVercelConnect } = destination
  if (isVercelConnect)
    throw invalidRequest('Vercel Connect has no such call: there, consent alone makes tokens available')
  if (typeof reach === 'object') {
    if (question.about === 'status' && reach.authorizationStatus !== undefined)
      return reach.authorizationStatus(request, question.body, call)
    if (question.about === 'complete' && reach.completeAuthorization !== undefined)
      return reach.completeAuthorization(request, question.body, call)
    throw invalidRequest('This issuing point does not have this part of consent')
  }
  const url = `${reach(region)}/v1/connect/requests/${encodeURIComponent(request)}/${question.about}`
  const { credential, traceHeaders: headers = {} } = call
  const answer = await sendOnce(call, { url, method: 'POST', headers, credential, body: question.body })
  onRetryAfter?.(answer.headers.get('retry-after'))
  if (answer.status < 200 || answer.status > 299)
    throw errorOfAnswer(answer, { connector: undefined, credential })
  const object = parseJsonObject(answer.text)
  if (object === undefined)
    throw invalidResponse('The issuing point answered with something else than JSON', answer.status)
  return object
}
