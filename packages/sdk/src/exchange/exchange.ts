import type { TokenRequest, TokenResponse } from '@valetkey/protocol'
import type { Entry } from '../cache/token-cache.ts'
import type { Transport } from '../http/send.ts'
import { requestToken } from '../issuing-point/request-token.ts'
import type { CheckedOptions } from '../request/call-options.ts'
import { paramsOnWire } from '../request/on-wire.ts'
import type { CheckedRequest } from '../request/token-request.ts'
import { inSpan } from '../telemetry/telemetry.ts'
import { checkTokenResponse } from './check-token-response.ts'
import type { Flight } from './flight.ts'
import type { Ask } from './flights.ts'
import { presentIdentity } from './present-identity.ts'

/** One exchange: an identity is obtained, checked and presented, and the answer is checked. */
export async function exchange(
  ask: Ask,
  flight: Flight,
  replaces: Entry | undefined,
  rejectedTokenId: string | undefined,
  isBackground: boolean,
): Promise<TokenResponse> {
  const { context, destination, who, request, call } = ask
  const transport: Transport = {
    fetch: context.fetch,
    signal: flight.controller.signal,
    remainingMs: () => flight.deadlineMs - performance.now(),
  }
  const work = async (): Promise<TokenResponse> => {
    const answer = await presentIdentity(context, destination, who, transport, (issuingPointCall) => {
      flight.sent = true
      const body = bodyOf(request, call, rejectedTokenId, replaces, context.now())
      return requestToken(destination, request.connector, body, issuingPointCall, call.region)
    })
    return checkTokenResponse(answer, context.now())
  }
  const attributes = {
    'valetkey.connector': request.connector,
    'valetkey.subject.type': request.subject.type,
    'valetkey.exchange.background': isBackground,
  }
  return inSpan('valetkey.exchange', attributes, work)
}

function bodyOf(
  request: CheckedRequest,
  call: CheckedOptions,
  rejectedTokenId: string | undefined,
  replaces: Entry | undefined,
  nowMs: number,
): TokenRequest {
  // An issuing point serves a stored token while more than the buffer is left of it. A renewal wants the next one, so
  // it asks for more life than the token at hand has left.
  const validityBufferMs =
    replaces === undefined ? request.validityBufferMs : Math.ceil(replaces.windows.expiresAtMs - nowMs)
  return {
    ...paramsOnWire(request),
    ...(validityBufferMs === undefined ? undefined : { validityBufferMs }),
    ...(rejectedTokenId === undefined ? undefined : { rejectedTokenId }),
    ...(call.toolCallId === undefined ? undefined : { context: { toolCallId: call.toolCallId } }),
  }
}
