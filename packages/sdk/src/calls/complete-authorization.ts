import { forgetFlights } from '../cache/forget-flights.ts'
import { type Context, defaultContext } from '../client/context.ts'
import { askAboutRequest, checkRequestName } from '../consent/ask-about-request.ts'
import { statusOf } from '../consent/check-status.ts'
import { readFields } from '../consent/read-fields.ts'
import type { CompleteAuthorizationParams } from '../consent/types.ts'
import { withoutSecrets } from '../consent/without-secrets.ts'
import { asConnectError, invalidResponse } from '../errors/connect-error.ts'
import { checkCallOptions } from '../request/call-options.ts'
import { checkId, optional } from '../request/check-values.ts'
import { subjectOnWire } from '../request/on-wire.ts'
import { type CheckedSubject, checkSubject } from '../request/subject.ts'
import { asInvalidRequest } from '../request/token-request.ts'
import type { ConnectOptions } from '../request/types.ts'
import { callIssuingPoint } from './call-issuing-point.ts'

/**
 * Activates the grant that a person consented to, and resolves when tokens can be had.
 *
 * Take `request` and `code` from the callback, and `verifier` and `subject` from the session in which it arrived:
 * nobody but the consenting browser has the code, so this shows that the one who began and the one who consented are
 * one person. A callback whose session holds no verifier for `request` is somebody else's, and must be dropped.
 *
 * Sent exactly once, whatever happens. A refusal consumes nothing, and a request admits ten of them (three with a
 * typed code). After `timeout`, `aborted` or `unavailable` the outcome is unknown: `getToken` tells.
 *
 * @throws {ConnectError} `forbidden` or `invalid_request` when the code, verifier or subject do not belong together,
 *   as the issuing point says; `not_found` when the request is gone. No error contains the code or the verifier.
 */
export function completeAuthorization(
  params: CompleteAuthorizationParams,
  options?: ConnectOptions,
): Promise<void> {
  return completeAuthorizationIn(defaultContext(), params, options)
}

export async function completeAuthorizationIn(
  context: Context,
  params: CompleteAuthorizationParams,
  options: ConnectOptions | undefined,
): Promise<void> {
  const { request, verifier, code, subject } = checkParams(params)
  const call = checkCallOptions(options)
  const body = {
    verifier,
    code,
    ...(subject === undefined ? undefined : { subject: subjectOnWire(subject) }),
  }
  try {
    // As a value, so that not even an identity that turns out to have expired makes this call a second one.
    const outcome = await callIssuingPoint(context, undefined, call, (destination, issuingPointCall) =>
      askAboutRequest(destination, request, { about: 'complete', body }, issuingPointCall, call.region).then(
        (answer) => ({ answer }),
        (error: unknown) => ({ error }),
      ),
    )
    if ('error' in outcome) throw asConnectError(outcome.error, undefined)
    const status = statusOf(outcome.answer)
    if (status?.request !== request || status.status !== 'active')
      throw invalidResponse("The issuing point's answer does not say that the authorization is active")
  } catch (error) {
    throw withoutSecrets(error, [verifier, code, ...(subject?.type === 'token' ? [subject.id] : [])])
  } finally {
    // Also after a failure: the answer may have been lost on its way.
    forgetFlights(context.cache, subject)
  }
}

function checkParams(params: unknown): {
  readonly request: string
  readonly verifier: string
  readonly code: string
  readonly subject: CheckedSubject | undefined
} {
  const given = readFields(params, 'params', ['request', 'verifier', 'code', 'subject'])
  try {
    return {
      request: checkRequestName(given.request, 'request'),
      verifier: checkId(given.verifier, 'verifier'),
      code: checkId(given.code, 'code'),
      subject: optional(given.subject, checkSubject, 'subject'),
    }
  } catch (error) {
    throw asInvalidRequest(error, 'params')
  }
}
