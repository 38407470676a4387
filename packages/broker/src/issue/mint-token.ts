import type { Driver, MintedToken, MintRequest } from '@valetkey/connectors'
import type { Authority } from '@valetkey/protocol'
import type { Workload } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { sha256 } from '../digest.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { hmac } from '../secrets/key-ring.ts'
import { seal } from '../secrets/seal.ts'
import { issuedTokenContext } from '../secrets/sealed-columns.ts'
import type { Link } from '../store/admission.ts'
import type { Ceiling } from '../store/attachments.ts'
import { findConnector } from '../store/connectors.ts'
import { isInstalledElsewhere } from '../store/grants.ts'
import { newId } from '../store/ids.ts'
import { recordForRevocation, recordToken } from '../store/issued-tokens.ts'
import type { AttachmentRow, IssuedTokenFacts, NewIssuedToken } from '../store/schema.ts'
import { openSettings } from './connector-settings.ts'
import { callProvider, type EndingOutcome, endAtProvider } from './provider-call.ts'
import { createSingleFlight } from './single-flight.ts'
import type { ServableToken } from './stored-token.ts'
import type { ParsedTokenRequest } from './token-request.ts'

/** The longest lease of a credential that its provider never ends. */
const standingLeaseMs = 3_600_000

/** The ceiling of an attachment's row. */
export function ceilingOf(row: AttachmentRow): Ceiling {
  return {
    subjects: row.subjects,
    scopes: row.scopes,
    resources: row.resources,
    authorizationDetails: row.authorization_details,
    maxTtlSeconds: row.max_ttl_seconds,
    fullAccess: row.full_access,
  }
}

/** Everything that decides what a minted token is. */
export interface MintInput {
  readonly caller: Workload
  readonly link: Link
  readonly attachment: AttachmentRow
  readonly request: ParsedTokenRequest
  readonly effective: MintRequest
  readonly driver: Driver
  /** The record of the installation that it is for. */
  readonly grantId: string | undefined
}

const mintOnce = createSingleFlight<BrokerContext, Outcome<ServableToken>>()

/**
 * Mints a token, or joins the minting of the very same one: a burst of equal requests costs one call to the provider.
 * The key holds the versions of what allowed it, so that nobody joins a minting that began before a revocation.
 */
export function mintTokenOnce(context: BrokerContext, input: MintInput): Promise<Outcome<ServableToken>> {
  const { attachment } = input
  const { connector, epoch } = input.link
  const key = [
    attachment.id,
    attachment.version,
    connector.version,
    epoch,
    input.request.rejectedTokenId ?? '',
    input.grantId ?? '',
    input.request.key,
  ].join(' ')
  return mintOnce(context, key, () => mintToken(context, input))
}

/**
 * Has the driver mint a token and keeps it. A token that was minted across a revocation is ended at the provider
 * and refused.
 */
async function mintToken(context: BrokerContext, input: MintInput): Promise<Outcome<ServableToken>> {
  const { caller, link, attachment, request, effective, driver } = input
  const connector = await findConnector(context.db, link.connector.id)
  if (connector === undefined || connector.version !== link.connector.version)
    return refuse({ reason: 'revoked_meanwhile' })
  const settings = openSettings(context.keyRing, connector)

  const result = await callProvider(context, driver, settings, effective)
  if (!result.ok) return result
  const minted = result.value

  const now = context.now()
  const lease = leaseEnd(minted.expiresAtMs, attachment.max_ttl_seconds, now)
  if (lease <= now)
    return refuse({
      reason: 'provider_fault',
      message: 'The provider answered with a token that has already expired',
    })

  const end = () => endAtProvider(context, driver, settings, minted.token)
  if (await isOthersInstallation(context, input, minted)) {
    await end()
    const message = 'The app is not installed for this project there: startInstallation does that'
    return refuse({ reason: 'installation_required', message })
  }
  const id = newId('stk')
  const facts = factsOf(context, effective, minted)
  const place = {
    id,
    connector_id: connector.id,
    project_id: caller.projectId,
    environment: caller.environment,
    subject_key: request.subjectKey,
    request_key: request.key,
    installation_id: minted.installationId ?? null,
  }
  const row: NewIssuedToken = {
    ...place,
    connector_version: connector.version,
    attachment_id: attachment.id,
    attachment_version: attachment.version,
    subject_type: request.subject.type,
    token: seal(context.keyRing, issuedTokenContext(place), minted.token),
    facts: JSON.stringify(facts),
    expires_at: lease,
    provider_expires_at: minted.expiresAtMs,
    issued_at: now,
    ended_at: null,
    revoke_at: null,
    revoke_attempts: 0,
  }
  if (await keep(context, row, { epoch: link.epoch, grantId: input.grantId }, end)) {
    return accept({ id, token: minted.token, expiresAt: lease, facts })
  }
  return refuse({ reason: 'revoked_meanwhile' })
}

/** An app's own key reaches all its installations; those that another project's users made are theirs. */
function isOthersInstallation(
  context: BrokerContext,
  { attachment, driver }: MintInput,
  { installationId }: MintedToken,
): Promise<boolean> {
  if (driver.consent === undefined || installationId === undefined) return Promise.resolve(false)
  const { connector_id: connectorId, owner } = attachment
  return isInstalledElsewhere(context.db, { connectorId, owner, installationId })
}

/**
 * Keeps a token, or sees to it that it ends: a token that nobody was given must not live on at its provider, whether a
 * revocation overtook it or the database failed.
 */
async function keep(
  context: BrokerContext,
  row: NewIssuedToken,
  expected: Parameters<typeof recordToken>[2],
  end: () => Promise<EndingOutcome>,
): Promise<boolean> {
  let kept: boolean
  try {
    kept = await recordToken(context.db, row, expected)
  } catch (error) {
    await end()
    throw error
  }
  if (!kept && (await end()) === 'failed') await recordForRevocation(context.db, row, context.now())
  return kept
}

/** When the caller must ask again: the provider's end, at most an hour for a standing credential, at most the ceiling. */
export function leaseEnd(providerEnd: number | null, maxTtlSeconds: number | null, now: number): number {
  const end = providerEnd ?? now + standingLeaseMs
  return maxTtlSeconds === null ? end : Math.min(end, now + maxTtlSeconds * 1000)
}

/** What is kept and told of a token besides the secret itself. */
export function factsOf(
  context: Pick<BrokerContext, 'keyRing'>,
  effective: MintRequest,
  minted: MintedToken,
): IssuedTokenFacts {
  const requested: Authority = {
    scopes: effective.scopes,
    resources: effective.resources,
    authorizationDetails: effective.authorizationDetails,
  }
  const standing = minted.expiresAtMs === null
  return {
    requested,
    granted: minted.granted,
    enforcedBy: minted.enforcedBy,
    origins: minted.origins,
    ...(standing ? { standing } : {}),
    ...(minted.installationId === undefined ? {} : { installationId: minted.installationId }),
    ...(minted.tenantId === undefined ? {} : { tenantId: minted.tenantId }),
    ...(minted.externalSubject === undefined ? {} : { externalSubject: minted.externalSubject }),
    ...(minted.name === undefined ? {} : { name: minted.name }),
    ...(minted.metadata === undefined ? {} : { metadata: minted.metadata }),
    // A pasted credential may be short enough to guess from a bare hash; a minted one has entropy to spare.
    digest: standing ? hmac(context.keyRing, 'audit-token', minted.token) : `sha256:${sha256(minted.token)}`,
  }
}
