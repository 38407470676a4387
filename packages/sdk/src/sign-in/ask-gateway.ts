import { ConnectError, invalidResponse } from '../errors/connect-error.ts'
import { codeOfStatus } from '../errors/wire-codes.ts'
import { limitedText } from '../http/limited-text.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import type { Answer } from '../http/send.ts'
import type { IssuingPointCall } from '../issuing-point/issuing-point.ts'
import { basicAuthorization } from './basic-authorization.ts'

/**
 * Sends one request to the gateway as an authenticated client, and reads the answer to its end. Once: what is sent
 * here is used up by being received.
 *
 * @throws {ConnectError} `unavailable` when nothing answered; `invalid_response` for a redirect or a huge body.
 */
export async function askGateway(
  clientId: string,
  url: string,
  init: RequestInit,
  { fetch, credential, signal }: IssuingPointCall,
): Promise<Answer> {
  const headers = new Headers(init.headers)
  headers.set('authorization', basicAuthorization(clientId, credential))
  try {
    const response = await fetch(url, {
      ...init,
      headers,
      // A followed redirect would carry the identity to an address nobody configured.
      redirect: 'manual',
      signal,
    })
    if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
      response.body?.cancel().catch(() => {})
      throw invalidResponse('The gateway answered with a redirect, which is not followed', response.status)
    }
    const text = await limitedText(response)
    return { status: response.status, statusText: response.statusText, headers: response.headers, text }
  } catch (error) {
    if (error instanceof ConnectError) throw error
    // Without the cause: messages of fetch implementations quote headers and addresses.
    throw new ConnectError(`No answer from ${new URL(url).host}`, { code: 'unavailable' })
  }
}

/**
 * The error for a refusal of the gateway (RFC 6749 §5.2), with what it says to developers.
 *
 * @param sent what is not repeated, should the answer play it back.
 */
export function gatewayRefusal(answer: Answer, sent: readonly string[]): ConnectError {
  const { error, error_description: said } = parseJsonObject(answer.text) ?? {}
  const named = typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? ` (${error})` : ''
  // The characters that RFC 6749 allows there.
  const isWording = typeof said === 'string' && /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,300}$/.test(said)
  const why = isWording && !sent.some((secret) => said.includes(secret)) ? `: ${said}` : ''
  const requestId = answer.headers.get('x-request-id')?.slice(0, 200)
  return new ConnectError(`The gateway answered ${answer.status}${named}${why}`, {
    code: codeOfStatus(answer.status),
    status: answer.status,
    requestId,
  })
}
