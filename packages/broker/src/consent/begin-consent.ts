import type { Driver } from '@valetkey/connectors'
import { effectiveRequest } from '../authorize/effective-request.ts'
import type { BrokerContext } from '../context.ts'
import { sha256 } from '../digest.ts'
import { ceilingOf } from '../issue/mint-token.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { findConnector } from '../store/connectors.ts'
import { addConsentRequest, findGrantedScopes } from '../store/consent-requests.ts'
import { newId } from '../store/ids.ts'
import type {
  AttachmentRow,
  ConnectorRow,
  ConsentAsk,
  ConsentRequestRow,
  GatewayAsk,
} from '../store/schema.ts'
import type { ParsedConsentRequest } from './begin-request.ts'
import { hashTypedCode, newTypedCode, newVerifier } from './secrets.ts'

const defaultExpiryMs = 600_000

/** A consent that somebody wants to begin, under an attachment that was found to be theirs. */
export type ConsentToBegin = {
  readonly connectorId: string
  readonly attachment: AttachmentRow
  readonly request: ParsedConsentRequest
} & (
  | { readonly kind: 'authorize' | 'install' }
  /** It is completed by whoever redeems its code at the gateway, and told to nobody else. */
  | { readonly kind: 'sign_in'; readonly gateway: GatewayAsk }
)

/** A consent that has begun. */
export interface BegunConsent {
  readonly row: ConsentRequestRow
  readonly connector: ConnectorRow
  readonly driver: Driver
  /** Where the person's browser must go. */
  readonly url: string
  /** Empty for a sign-in. */
  readonly verifier: string
  readonly deviceCode: string | undefined
}

/**
 * Begins a consent: holds what is wanted against the attachment's ceiling, decides who must complete it, and keeps the
 * request. Nothing is asked of the provider before a person has said so on the consent page.
 */
export async function beginConsent(
  context: BrokerContext,
  begin: ConsentToBegin,
): Promise<Outcome<BegunConsent>> {
  const { attachment, request, kind } = begin
  const connector = await findConnector(context.db, begin.connectorId)
  if (connector === undefined) return refuse({ reason: 'connector_not_linked' })
  const driver = context.findDriver(connector.service)
  if (driver === undefined) {
    const message = `This broker has no driver for ${connector.service}`
    return refuse({ reason: 'unavailable', message })
  }
  const grantKind = kind === 'install' ? 'installation' : 'user'
  const { consent } = driver
  if (consent === undefined || !consent.behaviour(connector.configuration).kinds.includes(grantKind)) {
    const what = kind === 'install' ? 'installed in a tenant' : 'authorized by a user'
    return invalid(`${driver.title} connectors can't be ${what}`)
  }
  const binding = bindingOf(begin)
  if (!binding.ok) return binding
  const fault = webhookFault(context, request)
  if (fault !== undefined) return invalid(fault)
  const ask = await askOf(context, begin, driver, consent.defaultScopes(connector.configuration, grantKind))
  if (!ask.ok) return ask

  const now = context.now()
  const { subject } = request.wanted
  const user = kind === 'authorize' && subject.type === 'user' ? subject : undefined
  const verifier = kind === 'sign_in' ? '' : newVerifier()
  const delivery = kind === 'sign_in' ? {} : request.delivery
  const row: ConsentRequestRow = {
    id: newId('ask'),
    kind,
    connector_id: connector.id,
    attachment_id: attachment.id,
    owner: attachment.owner,
    project_id: attachment.project_id,
    environment: attachment.environment,
    issuer: user?.issuer ?? '',
    user_id: user?.id ?? '',
    ask: ask.value,
    binding: binding.value,
    // No text has the empty hash: a sign-in answers to no verifier.
    verifier_hash: verifier === '' ? '' : sha256(verifier),
    return_url: delivery.returnUrl ?? null,
    webhook_url: delivery.webhook ?? null,
    device_code_hash: null,
    gateway: kind === 'sign_in' ? begin.gateway : null,
    status: 'pending',
    error_code: null,
    error_message: null,
    entered_by: null,
    browser_hash: null,
    state_hash: null,
    pending: null,
    credential: null,
    code_hash: null,
    code_expires_at: null,
    tries: 0,
    grant_id: null,
    created_at: now,
    expires_at: now + (request.delivery.expiresInMs ?? defaultExpiryMs),
  }
  const deviceCode = await keep(context, row, delivery.deviceCode === true)
  const url = `${context.publicUrl}/consent/${row.id}`
  return accept({ row, connector, driver, url, verifier, deviceCode })
}

/** Stores the row, with a device code of its own if it is to have one. */
async function keep(
  context: BrokerContext,
  row: ConsentRequestRow,
  withDeviceCode: boolean,
): Promise<string | undefined> {
  // Two requests draw the same code once in billions of pairs.
  for (let attempt = 0; attempt < 5; attempt++) {
    const deviceCode = withDeviceCode ? newTypedCode() : undefined
    const kept = await addConsentRequest(context.db, {
      ...row,
      ask: JSON.stringify(row.ask),
      gateway: row.gateway === null ? null : JSON.stringify(row.gateway),
      device_code_hash: deviceCode === undefined ? null : hashTypedCode(deviceCode),
    })
    if (kept) return deviceCode
  }
  throw new Error('No device code is free')
}

/** A request may ask for more binding than the attachment needs, never for less. */
function bindingOf(begin: ConsentToBegin): Outcome<ConsentRequestRow['binding']> {
  if (begin.kind === 'sign_in' || begin.request.delivery.binding === 'complete') return accept('complete')
  if (begin.attachment.bind_on_consent) return accept('consent')
  return invalid(
    'binding: must be "complete", because consent alone activates nothing here: whoever began completes the request. ' +
      'Clients that can’t need an attachment made with --dangerously-bind-on-consent',
  )
}

function webhookFault(context: BrokerContext, request: ParsedConsentRequest): string | undefined {
  const { webhook } = request.delivery
  if (webhook === undefined || webhook.startsWith('https:') || context.allowHttpLoopback) return undefined
  return 'webhook: must be https'
}

/** What the provider will be asked for: what is wanted, within the ceiling, and what the subject has granted before. */
async function askOf(
  context: BrokerContext,
  begin: ConsentToBegin,
  driver: Driver,
  defaultScopes: readonly string[],
): Promise<Outcome<ConsentAsk>> {
  const { attachment, request, kind } = begin
  const ceiling = ceilingOf(attachment)
  const held = effectiveRequest(
    request.wanted,
    // An installation is no token yet; what is minted from it is held against the ceiling then.
    kind === 'install' ? { ...ceiling, fullAccess: true } : ceiling,
    driver,
    attachment.environment,
  )
  if (!held.ok) return held
  const wanted = held.value.scopes.length > 0 ? held.value.scopes : defaultScopes
  const before = kind === 'authorize' ? await grantedBefore(context, begin) : []
  const { scopes: limit } = ceiling
  // What was granted under a higher ceiling is not asked for again.
  const kept = limit === null ? before : before.filter((scope) => limit.includes(scope))
  return accept({
    scopes: [...new Set([...wanted, ...kept])].sort(),
    resources: held.value.resources,
    authorizationDetails: held.value.authorizationDetails,
    audience: held.value.audience,
    ...(held.value.installationId === undefined ? {} : { installationId: held.value.installationId }),
    ...(request.tenantId === undefined ? {} : { tenantId: request.tenantId }),
    ...(request.prompt === undefined ? {} : { prompt: request.prompt }),
    additionalParams: request.additionalParams ?? {},
  })
}

/** Providers replace a grant with the newest one: asking for less would take away what others of the app rely on. */
async function grantedBefore(
  context: BrokerContext,
  { attachment, request: { wanted } }: ConsentToBegin,
): Promise<readonly string[]> {
  if (wanted.subject.type !== 'user') return []
  return findGrantedScopes(context.db, {
    connectorId: attachment.connector_id,
    owner: attachment.owner,
    issuer: wanted.subject.issuer ?? '',
    userId: wanted.subject.id,
    installationId: wanted.installationId,
  })
}

function invalid(message: string) {
  return refuse({ reason: 'request_invalid', message })
}
