import type { DriverBehaviour, MintRefusal, MintRequest } from './driver.ts'

/** A definite no, as data. */
export function refused(reason: MintRefusal['reason'], message: string): MintRefusal {
  return { outcome: 'refused', reason, message }
}

/** A word of the caller's, fit for a message: what could forge a log line or run on is not repeated. */
export function quoted(word: string): string {
  return /^[\x21-\x7e]{1,120}$/.test(word) ? word : '(not shown)'
}

/**
 * The refusal of a request that holds a part the driver does not understand, judged by its behaviour.
 *
 * The caller of a driver checks the same before; a driver that relied on it would ignore the part in silence on
 * the day somebody forgets, and an ignored narrowing is a wider token.
 */
export function refuseUnsupported(behaviour: DriverBehaviour, request: MintRequest): MintRefusal | undefined {
  const { narrows, subjects } = behaviour
  const part = unsupportedPart()
  return part === undefined
    ? undefined
    : refused('invalid_request', `This connector does not support ${part} in a request`)

  function unsupportedPart(): string | undefined {
    if (!subjects.includes(request.subject.type)) return `the subject type ${quoted(request.subject.type)}`
    if (!narrows.scopes && request.scopes.length > 0) return 'scopes'
    if (!narrows.resources && request.resources.length > 0) return 'resources'
    if (!narrows.audience && request.audience.length > 0) return 'audience'
    if (!narrows.installationId && request.installationId !== undefined) return 'installationId'
    // `*`: the provider alone knows which types there are.
    if (narrows.authorizationDetails.includes('*')) return undefined
    if (narrows.authorizationDetails.length === 0 && request.authorizationDetails.length > 0)
      return 'authorizationDetails'
    const unknown = request.authorizationDetails.some(
      (detail) => !narrows.authorizationDetails.includes(detail.type),
    )
    return unknown
      ? `authorizationDetails other than of type ${narrows.authorizationDetails.join(', ')}`
      : undefined
  }
}
