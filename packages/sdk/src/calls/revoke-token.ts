import { type Context, defaultContext } from '../client/context.ts'
import { checkCallOptions } from '../request/call-options.ts'
import { checkId, checkObject, mustBe, optional, unknownKey } from '../request/check-values.ts'
import { type CheckedSubject, checkSubject } from '../request/subject.ts'
import { asInvalidRequest, checkConnector } from '../request/token-request.ts'
import type { ConnectOptions, ConnectRevokeParams } from '../request/types.ts'
import { requestRevocation } from './request-revocation.ts'

/**
 * Revokes what the issuing point holds for one subject of `connector`, or one installation of it, and forgets the
 * tokens cached for it. Every other cached token stays.
 *
 * The cache is emptied before the issuing point is asked, whatever it answers, and again afterwards. Where a provider
 * cannot revoke, a token that was already handed out lives until it expires.
 *
 * @throws {ConnectError} as `getToken` does; then nothing is known to be revoked.
 */
export function revokeToken(
  connector: string,
  params: ConnectRevokeParams,
  options?: ConnectOptions,
): Promise<void> {
  return revokeTokenIn(defaultContext(), connector, params, options)
}

export async function revokeTokenIn(
  context: Context,
  connectorName: string,
  params: ConnectRevokeParams,
  options: ConnectOptions | undefined,
): Promise<void> {
  const connector = checkConnector(connectorName)
  const { subject, installationId } = checkRevokeParams(params)
  const call = checkCallOptions(options)
  await requestRevocation(context, connector, subject, installationId, call)
}

function checkRevokeParams(params: unknown): {
  readonly subject: CheckedSubject
  readonly installationId: string | undefined
} {
  try {
    const object = checkObject(params, 'params')
    let subject: CheckedSubject | undefined
    let installationId: string | undefined
    for (const key of Object.keys(object)) {
      const value = object[key]
      if (key === 'subject') subject = checkSubject(value)
      else if (key !== 'installationId') throw unknownKey(key, 'params')
      else installationId = optional(value, checkId, 'params.installationId')
    }
    if (subject === undefined) throw mustBe('params.subject', 'given: nothing is revoked by default')
    return { subject, installationId }
  } catch (error) {
    throw asInvalidRequest(error, 'params')
  }
}
