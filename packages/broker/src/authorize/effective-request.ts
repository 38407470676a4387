import { type Driver, InvalidSettings, type MintRequest } from '@valetkey/connectors'
import type { AuthorizationDetail } from '@valetkey/protocol'
import type { ParsedTokenRequest } from '../issue/token-request.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import type { Ceiling } from '../store/attachments.ts'

/**
 * Holds a request against the ceiling of its attachment and returns exactly what is to be minted.
 *
 * What a request leaves out becomes the ceiling's, else the driver's default. What exceeds is refused with the part
 * named: nothing is trimmed in silence, because an agent that asked for more would believe it got it.
 */
export function effectiveRequest(
  request: ParsedTokenRequest,
  ceiling: Ceiling,
  driver: Driver,
  environment: string,
): Outcome<MintRequest> {
  const { narrows, subjects } = driver.behaviour
  const unsupported = (what: string) =>
    refuse({
      reason: 'request_invalid',
      message: `${what}: not something ${driver.title} connectors understand`,
    })

  const subjectType = request.subject.type
  if (!subjects.includes(subjectType)) return unsupported(`subject type "${subjectType}"`)
  if (!(ceiling.subjects ?? subjects).includes(subjectType)) {
    return refuse({ reason: 'above_ceiling', part: `subject ${subjectType}` })
  }
  if (request.scopes !== undefined && !narrows.scopes) return unsupported('scopes')
  if (request.resources !== undefined && !narrows.resources) return unsupported('resources')
  if (request.audience !== undefined && !narrows.audience) return unsupported('audience')
  if (request.installationId !== undefined && !narrows.installationId) return unsupported('installationId')

  const scopes = withinList(request.scopes, ceiling.scopes, 'scopes')
  if (!scopes.ok) return scopes
  const resources = withinList(request.resources, ceiling.resources, 'resources')
  if (!resources.ok) return resources
  const details = withinDetails(request.authorizationDetails, ceiling.authorizationDetails, driver)
  if (!details.ok) return details

  // Said before anybody is sent to consent, which could not make it true.
  if (subjectType === 'user' && driver.behaviour.usersTokensAreWhole === true) {
    const part = request.installationId === undefined ? 'authorizationDetails' : 'installationId'
    if (request.installationId !== undefined || details.value.length > 0) {
      return refuse({
        reason: 'above_ceiling',
        part: `subject user: ${driver.title} narrows no user's token by ${part}`,
      })
    }
  }

  // A user's token reaches what the user may, whatever it says: only the app's own reaches everything.
  const ofTheApp = subjectType === 'app' && environment === 'production'
  if (ofTheApp && !ceiling.fullAccess && driver.isFullAccess(details.value)) {
    return refuse({ reason: 'full_access_not_allowed' })
  }
  return accept({
    subject: request.subject,
    ...(request.installationId === undefined ? {} : { installationId: request.installationId }),
    audience: request.audience ?? [],
    scopes: scopes.value,
    resources: resources.value,
    authorizationDetails: details.value,
  })
}

function withinList(
  wanted: readonly string[] | undefined,
  ceiling: readonly string[] | null,
  name: string,
): Outcome<readonly string[]> {
  if (wanted === undefined) return accept(ceiling ?? [])
  const above = ceiling === null ? [] : wanted.filter((value) => !ceiling.includes(value))
  return above.length === 0
    ? accept(wanted)
    : refuse({ reason: 'above_ceiling', part: `${name} ${above.join(', ')}` })
}

function withinDetails(
  wanted: readonly AuthorizationDetail[] | undefined,
  ceiling: readonly AuthorizationDetail[] | null,
  driver: Driver,
): Outcome<readonly AuthorizationDetail[]> {
  if (wanted === undefined) return accept(ceiling ?? [])
  const held: AuthorizationDetail[] = []
  for (const detail of wanted) {
    if (!knowsDetail(driver, detail.type)) {
      return refuse({
        reason: 'request_invalid',
        message: `authorizationDetails: ${driver.title} connectors know no type "${detail.type.slice(0, 64)}"`,
      })
    }
    const normalized = normalize(driver, detail)
    if (!normalized.ok) return normalized
    const result = holdAgainst(normalized.value, ceiling, driver)
    if (!result.ok) return result
    held.push(result.value)
  }
  return accept(held)
}

/** Whether a driver understands details of a type: one that passes them on as they are says `*`. */
export function knowsDetail(driver: Driver, type: string): boolean {
  const known = driver.behaviour.narrows.authorizationDetails
  return known.includes('*') || known.includes(type)
}

function normalize(driver: Driver, detail: AuthorizationDetail): Outcome<AuthorizationDetail> {
  try {
    return accept(driver.normalizeDetail(detail))
  } catch (error) {
    if (error instanceof InvalidSettings) return refuse({ reason: 'request_invalid', message: error.message })
    throw error
  }
}

/** One entry of the ceiling must cover the whole detail: two half-covers would grant their cross product. */
function holdAgainst(
  wanted: AuthorizationDetail,
  ceiling: readonly AuthorizationDetail[] | null,
  driver: Driver,
): Outcome<AuthorizationDetail> {
  if (ceiling === null) return accept(wanted)
  let part = `authorizationDetails of type ${wanted.type}`
  for (const limit of ceiling) {
    if (limit.type !== wanted.type) continue
    const held = driver.holdDetail(wanted, limit)
    if (held.within) return accept(held.detail)
    part = held.part
  }
  return refuse({ reason: 'above_ceiling', part })
}
