import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Driver, GrantCredential, RotatedTokens } from '@valetkey/connectors'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { findConnectorEvenRemoved } from '../store/connectors.ts'
import { replaceEndedCredential } from '../store/grant-ending.ts'
import {
  extendLease,
  type GrantLease,
  giveLeaseBack,
  markConsentNeeded,
  storeRefreshed,
  takeLease,
} from '../store/grant-lease.ts'
import { readGrant } from '../store/grants.ts'
import type { GrantRow } from '../store/schema.ts'
import { openSettings } from './connector-settings.ts'
import { openCredential, sealCredential } from './grant-credential.ts'
import { faultName, providerAccess, refusalOfFault } from './provider-call.ts'
import { createSingleFlight } from './single-flight.ts'

/** A lease is this long, and is extended while its holder lives: a killed one is succeeded after this long. */
const leaseMs = 5_000
const extendEveryMs = 1_500
/** How long a request waits for another process that refreshes the same grant. */
const patienceMs = 20_000
/** How long a rotated credential is held in memory while the database does not take it. */
const storePatienceMs = 60_000

const holder = randomUUID()

const refreshOnce = createSingleFlight<BrokerContext, Outcome<GrantRow>>()

/**
 * Refreshes a grant, once across all replicas, and returns its row with the new credential: the one this process
 * obtained, or the one that another did meanwhile.
 *
 * `seen` is the row whose credential is of no use any more. If the store has another by now, that is the answer.
 */
export function refreshGrant(
  context: BrokerContext,
  driver: Driver,
  seen: GrantRow,
): Promise<Outcome<GrantRow>> {
  const key = `${seen.id} ${seen.credential_version}`
  return refreshOnce(context, key, () => refreshAcrossReplicas(context, driver, seen))
}

async function refreshAcrossReplicas(
  context: BrokerContext,
  driver: Driver,
  seen: GrantRow,
): Promise<Outcome<GrantRow>> {
  const deadline = performance.now() + patienceMs
  let last = seen
  for (let pause = 25; performance.now() < deadline; pause = Math.min(pause * 1.5, 250)) {
    const taken = await takeLease(
      context.db,
      { id: last.id, credentialVersion: last.credential_version },
      { holder, leaseMs },
    )
    if (taken !== undefined) return refreshUnderLease(context, driver, taken.lease, taken.row)
    const found = await readGrant(context.db, seen.id)
    const settled = settledBy(found, seen)
    if (settled !== undefined) return settled
    // A rotation whose answer is still being checked: its holder finishes it, or whoever has the lease next refreshes
    // from there.
    if (found !== undefined) last = found
    await wait(pause)
  }
  const message = 'Another process refreshes this grant and has not finished: try again'
  return refuse({ reason: 'unavailable', message })
}

/** What a look at the store decides without a refresh; undefined: somebody else is at it. */
function settledBy(found: GrantRow | undefined, seen: GrantRow): Outcome<GrantRow> | undefined {
  if (found === undefined || found.state === 'ended') return refuse({ reason: 'revoked_meanwhile' })
  if (found.state === 'consent_needed') return refuse(consentNeeded)
  if (found.credential_version === seen.credential_version) return undefined
  // Stored before its answer was checked: its token has another name, and perhaps another life, once that is done.
  const unchecked = found.access_expires_at !== null && found.access_expires_at <= found.obtained_at
  return unchecked ? undefined : accept(found)
}

const consentNeeded: Refusal = {
  reason: 'consent_required',
  message: 'The provider has ended this grant: startAuthorization asks for a new consent',
}

/** The lease was lost to a successor or to a revocation: nothing may be stored. */
class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

async function refreshUnderLease(
  context: BrokerContext,
  driver: Driver,
  lease: GrantLease,
  row: GrantRow,
): Promise<Outcome<GrantRow>> {
  const beat = setInterval(() => {
    extendLease(context.db, lease, leaseMs).catch(() => undefined)
  }, extendEveryMs).unref()
  try {
    return await callAndStore(context, driver, lease, row)
  } catch (error) {
    if (error instanceof LeaseLost) {
      const found = await readGrant(context.db, row.id)
      return settledBy(found, row) ?? refuse({ reason: 'unavailable', message: 'Try again' })
    }
    await giveLeaseBack(context.db, lease).catch(() => undefined)
    return refuse(refusalOfFault(driver, error))
  } finally {
    clearInterval(beat)
  }
}

async function callAndStore(
  context: BrokerContext,
  driver: Driver,
  lease: GrantLease,
  row: GrantRow,
): Promise<Outcome<GrantRow>> {
  const connector = await findConnectorEvenRemoved(context.db, row.connector_id)
  if (connector === undefined || driver.consent?.refresh === undefined) {
    await giveLeaseBack(context.db, lease)
    return refuse({ reason: 'unavailable', message: 'This broker can not refresh this grant' })
  }
  const settings = openSettings(context.keyRing, connector)
  const before = openCredential(context.keyRing, row)
  // Only now, after the settings were read: a change of where they lead ends the grants, and so this lease, in the same
  // transaction. A lease that still holds means that those settings are the ones the credential was made for.
  if (!(await extendLease(context.db, lease, leaseMs))) throw new LeaseLost()
  let current = row
  const store = async (credential: GrantCredential, done: boolean): Promise<void> => {
    current = await storeDurably(context, lease, current, credential, done)
  }
  // Stored before anything of the answer is checked: what a provider has rotated exists nowhere else.
  const keep = (rotated: RotatedTokens): Promise<void> => store(withRotated(before, rotated), false)

  const result = await driver.consent.refresh(settings, before, providerAccess(context), keep)
  if (result.outcome === 'refreshed') {
    await store(result.credential, true)
    context.metrics.providerCall(driver.service, 'refresh', 'ok')
    await context.audit.append({ ...aboutGrant(row), kind: 'grant_refreshed' })
    return accept(current)
  }
  context.metrics.providerCall(driver.service, 'refresh', 'refused')
  if (result.outcome === 'refused') {
    await giveLeaseBack(context.db, lease)
    return refuse({ reason: 'provider_refused', message: result.message })
  }
  // Once more to the store: whoever refreshed or renewed the consent meanwhile has what we lack.
  const found = await readGrant(context.db, row.id)
  if (found?.credential_version !== row.credential_version || found.state !== 'active') {
    await giveLeaseBack(context.db, lease)
    return settledBy(found, row) ?? refuse({ reason: 'revoked_meanwhile' })
  }
  if (await markConsentNeeded(context.db, lease, context.now())) {
    await context.audit.append({
      ...aboutGrant(row),
      kind: 'grant_lost',
      code: 'user_authorization_required',
      reason: 'consent_required',
    })
  }
  return refuse(consentNeeded)
}

/** A rotated credential before its answer was looked at: its access token may be usable, what it grants is as before. */
function withRotated(before: GrantCredential, rotated: RotatedTokens): GrantCredential {
  const { accessToken: _old, ...kept } = before
  return {
    ...kept,
    ...(rotated.accessToken === undefined ? {} : { accessToken: rotated.accessToken }),
    accessExpiresAtMs: rotated.accessExpiresAtMs ?? null,
    refreshToken: rotated.refreshToken,
  }
}

/**
 * Stores a credential under the lease, however long the database takes.
 *
 * @throws {LeaseLost} when the lease is a successor's, or the grant was revoked: then the credential goes where a
 *   revocation finds it.
 */
async function storeDurably(
  context: BrokerContext,
  lease: GrantLease,
  row: GrantRow,
  credential: GrantCredential,
  done: boolean,
): Promise<GrantRow> {
  const place = { ...row, credential_version: row.credential_version + 1 }
  const now = context.now()
  // A rotation that is not checked yet has an access token of unknown life: nobody is given it.
  const accessExpiresAt = done ? credential.accessExpiresAtMs : now
  const sealed = sealCredential(context.keyRing, place, credential)
  const next: GrantRow = {
    ...place,
    credential: sealed,
    scopes: credential.granted.scopes,
    refreshable: credential.refreshToken !== undefined,
    access_expires_at: accessExpiresAt,
    obtained_at: now,
  }
  const deadline = performance.now() + storePatienceMs
  for (let pause = 50; ; pause = Math.min(pause * 2, 2_000)) {
    try {
      const stored = await storeRefreshed(context.db, lease, {
        credential: sealed,
        credentialVersion: place.credential_version,
        scopes: next.scopes,
        refreshable: next.refreshable,
        accessExpiresAt,
        now,
        done,
      })
      if (stored) return next
      break
    } catch (error) {
      if (performance.now() > deadline) throw error
      context.log('error', 'a refreshed credential could not be stored yet', { fault: faultName(error) })
      await wait(pause)
    }
  }
  const ended = { id: row.id, credentialVersion: place.credential_version, credential: sealed }
  if (!(await replaceEndedCredential(context.db, ended, now))) {
    context.log('warn', 'a refreshed credential came too late: a successor had taken over', { grant: row.id })
  }
  throw new LeaseLost()
}

function aboutGrant(row: GrantRow) {
  return {
    actor: { type: 'broker' },
    projectId: row.project_id,
    environment: row.environment,
    connectorId: row.connector_id,
    details: { grant: row.id, grantKind: row.kind },
  } as const
}
