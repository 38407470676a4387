import { createHash } from 'node:crypto'
import type { Driver, GrantCredential, MintedToken, MintRequest } from '@valetkey/connectors'
import type { Authority } from '@valetkey/protocol'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, type Refusal, refuse } from '../refusal.ts'
import type { Unserved } from '../store/admission.ts'
import type { Ceiling } from '../store/attachments.ts'
import type { GrantRow } from '../store/schema.ts'
import { openCredential } from './grant-credential.ts'
import { factsOf, leaseEnd } from './mint-token.ts'
import { refusalOf } from './provider-call.ts'
import { refreshGrant } from './refresh-grant.ts'
import type { ServableToken } from './stored-token.ts'
import type { ParsedTokenRequest } from './token-request.ts'

/** A request that a grant answers. */
export interface GrantTokenInput {
  readonly driver: Driver
  readonly grant: NonNullable<Unserved['grant']>
  readonly request: Pick<ParsedTokenRequest, 'rejectedTokenId' | 'validityBufferMs'>
  readonly effective: MintRequest
  readonly ceiling: Ceiling
  /** Called before the provider is: the intent is then committed first. */
  readonly beforeCall: () => Promise<void>
}

const askForConsent = 'startAuthorization asks for it'

/**
 * The access token of a grant, refreshed when it is about to end or was rejected.
 *
 * A grant has one access token at a time, which all its callers share: many providers end the one before with every
 * refresh. What a request narrows is checked, and told in `enforcedBy`.
 */
export async function tokenOfGrant(
  context: BrokerContext,
  input: GrantTokenInput,
): Promise<Outcome<ServableToken>> {
  const { grant, request, driver } = input
  if (grant.row.state !== 'active') return refuse(lostConsent(grant.row))
  const credential = openCredential(context.keyRing, grant.row)
  if (isServable(grant.row, credential, request, context.now())) {
    return handOut(context, input, grant.row, credential)
  }
  if (!grant.row.refreshable) return refuse(lostConsent(grant.row))
  await input.beforeCall()
  const refreshed = await refreshGrant(context, driver, grant.row)
  if (!refreshed.ok) return refreshed
  return handOut(context, input, refreshed.value, openCredential(context.keyRing, refreshed.value))
}

function lostConsent(row: GrantRow): Refusal {
  return row.kind === 'installation'
    ? {
        reason: 'installation_required',
        message: 'This installation is no longer valid at the provider: startInstallation makes a new one',
      }
    : {
        reason: 'consent_required',
        message: `The consent of this user is no longer valid at the provider: ${askForConsent}`,
      }
}

/** What a request for a user is told who has granted nothing. */
export const consentMissing: Refusal = {
  reason: 'consent_required',
  message: `This user has not consented, or not for this project and environment: ${askForConsent}`,
}

/** Names the present access token of a grant: the same for everybody who is given it, another after a refresh. */
function grantTokenId(row: Pick<GrantRow, 'id' | 'credential_version'>): string {
  const digest = createHash('sha256').update(`${row.id} ${row.credential_version}`).digest('base64url')
  return `stk_${digest.slice(0, 20)}`
}

/** Say who somebody is, and reach nothing. */
const identityScopes: ReadonlySet<string> = new Set(['openid', 'profile', 'email', 'offline_access'])

/** What of a grant is above a ceiling: the token carries all that was granted, whatever a request asks for. */
function aboveCeiling(granted: Authority, ceiling: Ceiling): string | undefined {
  const scopes = granted.scopes.filter(
    (scope) => ceiling.scopes?.includes(scope) === false && !identityScopes.has(scope),
  )
  if (scopes.length > 0) return `scopes ${scopes.join(', ')}`
  const resources = granted.resources.filter((resource) => ceiling.resources?.includes(resource) === false)
  return resources.length === 0 ? undefined : `resources ${resources.join(', ')}`
}

/** What an app is told whose installations are all over. */
export const installationMissing: Refusal = {
  reason: 'installation_required',
  message: 'The app is installed nowhere any more for this project, or in several places without a default',
}

/** Whether a grant has a token of its own, or names an installation for which the driver mints. */
export function holdsToken(context: BrokerContext, row: GrantRow): boolean {
  return row.refreshable || openCredential(context.keyRing, row).accessToken !== undefined
}

function isServable(
  row: GrantRow,
  credential: GrantCredential,
  request: GrantTokenInput['request'],
  now: number,
): boolean {
  if (credential.accessToken === undefined || request.rejectedTokenId === grantTokenId(row)) return false
  if (row.access_expires_at === null) return true
  // A buffer of more than half its life would never let a short-lived token be served twice.
  const buffer = Math.min(request.validityBufferMs, (row.access_expires_at - row.obtained_at) / 2)
  return row.access_expires_at - buffer > now
}

function handOut(
  context: BrokerContext,
  input: GrantTokenInput,
  row: GrantRow,
  credential: GrantCredential,
): Outcome<ServableToken> {
  const { driver, effective } = input
  if (driver.consent === undefined) throw new Error('A grant of a driver that knows none')
  const above = aboveCeiling(credential.granted, input.ceiling)
  if (above !== undefined) {
    const message = `What was granted exceeds the ceiling of the attachment (${above}): ${askForConsent} again, for less`
    return refuse(
      row.kind === 'user'
        ? { reason: 'consent_required', message }
        : { reason: 'above_ceiling', part: above },
    )
  }
  const { configuration } = input.grant
  const issued = driver.consent.issue(configuration, { credential, identity: row.identity }, effective)
  if (issued.outcome === 'refused') {
    const missing = issued.reason === 'above_grant' && effective.subject.type === 'user'
    return refuse(missing ? { reason: 'consent_required', message: issued.message } : refusalOf(issued))
  }
  const now = context.now()
  const expiresAt = leaseEnd(issued.expiresAtMs, input.ceiling.maxTtlSeconds, now)
  if (expiresAt <= now) {
    return refuse({ reason: 'provider_fault', message: 'The provider gave a token that has already expired' })
  }
  context.grantsInUse.note(row)
  return accept(servable(context, grantTokenId(row), expiresAt, effective, issued))
}

function servable(
  context: BrokerContext,
  id: string,
  expiresAt: number,
  effective: MintRequest,
  issued: MintedToken,
): ServableToken {
  return { id, token: issued.token, expiresAt, facts: factsOf(context, effective, issued) }
}
