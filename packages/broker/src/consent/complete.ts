import type { Subject } from '@valetkey/protocol'
import type { Transaction } from 'kysely'
import type { AuditActor } from '../audit/event.ts'
import type { Workload } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { countTry, isAttached, lockConsentRequest, lockForGrant, settle } from '../store/consent-requests.ts'
import { endGrants, lockAttachments } from '../store/grant-ending.ts'
import type { ConsentRequestRow, Schema } from '../store/schema.ts'
import { refusedConsent, requestEvent } from './consent-events.ts'
import { abandon, makeGrant, openGranted } from './granted.ts'
import { matchesHash } from './secrets.ts'
import { decideCompletion } from './state.ts'

/** What a workload brings to complete a request. */
export interface CompletionAttempt {
  readonly consentId: string
  readonly verifier: string
  readonly code: string
  readonly subject: Subject | undefined
}

/**
 * Makes a grant of a consent, if everything matches: the workload that began it, the verifier that it kept, the code
 * that only the consenting browser got, and the subject of the session in which that code arrived.
 */
export function completeConsent(
  context: BrokerContext,
  caller: Workload,
  attempt: CompletionAttempt,
): Promise<Outcome<ConsentRequestRow>> {
  return context.db.transaction().execute(async (transaction) => {
    const row = await lockForGrant(transaction, attempt.consentId)
    if (!(await isOf(transaction, row, caller, attempt.verifier)) || row === undefined)
      return refuse({ reason: 'consent_unknown' })
    return decide(context, transaction, row, attempt)
  })
}

/** Whether a workload began a request under an attachment that it still has, and knows its verifier. */
export async function isOf(
  db: Transaction<Schema> | BrokerContext['db'],
  row: ConsentRequestRow | undefined,
  caller: Workload,
  verifier: string,
): Promise<boolean> {
  const matches = matchesHash(verifier, row?.verifier_hash ?? null)
  return (
    row !== undefined &&
    matches &&
    row.kind !== 'sign_in' &&
    row.project_id === caller.projectId &&
    row.environment === caller.environment &&
    (await isAttached(db, row))
  )
}

/**
 * Makes a grant of a sign-in for the client that redeems its code; the client and its PKCE verifier have been checked.
 *
 * A code that comes a second time was stolen, now or before: what the first use made is ended (RFC 6749 §4.1.2).
 */
export async function completeSignIn(
  context: BrokerContext,
  attempt: {
    /** Of the consent. */
    readonly requestId: string
    readonly secret: string
    readonly attachmentId: string
    /** For the trail: who redeems, and in which call. */
    readonly by?: { readonly actor: AuditActor; readonly requestId: string }
  },
): Promise<Outcome<ConsentRequestRow>> {
  const completed = await context.db.transaction().execute(async (transaction) => {
    const row = await lockForGrant(transaction, attempt.requestId)
    if (row?.kind !== 'sign_in' || row.attachment_id !== attempt.attachmentId)
      return { row: undefined, outcome: refuse({ reason: 'consent_unknown' }) }
    if (row.status === 'active' && matchesHash(attempt.secret, row.code_hash)) {
      const message = 'The code was used before: what it led to has been ended'
      return { row, outcome: refuse({ reason: 'conflict', message }), replayed: true }
    }
    const given = { code: attempt.secret, subject: undefined }
    return { row, outcome: await decide(context, transaction, row, given) }
  })
  const { row, outcome } = completed
  if (row !== undefined && 'replayed' in completed) await endRedeemed(context, row, attempt.secret)
  if (row !== undefined) {
    const event = requestEvent(outcome.ok ? outcome.value : row, attempt.by ?? { actor: { type: 'broker' } })
    await context.audit.append(
      outcome.ok ? { ...event, kind: 'consent_completed' } : refusedConsent(event, outcome.refusal),
    )
  }
  return outcome
}

async function decide(
  context: BrokerContext,
  transaction: Transaction<Schema>,
  row: ConsentRequestRow,
  given: { readonly code: string; readonly subject: Subject | undefined },
): Promise<Outcome<ConsentRequestRow>> {
  const now = context.now()
  const completion = decideCompletion(row, given, now)
  switch (completion.decision) {
    case 'refuse':
      return refuse(completion.refusal)
    case 'count': {
      await countTry(transaction, row.id)
      if (completion.last) {
        const message = 'Too many attempts to complete it did not match'
        await giveUp(context, transaction, row, { code: 'invalid_request', message })
      }
      return refuse(completion.refusal)
    }
    case 'activate':
      return activate(context, transaction, row, now)
  }
}

async function activate(
  context: BrokerContext,
  transaction: Transaction<Schema>,
  row: ConsentRequestRow,
  now: number,
): Promise<Outcome<ConsentRequestRow>> {
  const granted = openGranted(context.keyRing, row)
  if (granted === undefined) throw new Error('A consent without what was granted')
  const connector = await transaction
    .selectFrom('connectors')
    .select('service')
    .where('id', '=', row.connector_id)
    .executeTakeFirst()
  const driver = connector === undefined ? undefined : context.findDriver(connector.service)
  const refreshes = driver?.consent?.refresh !== undefined
  const grantId = await makeGrant(context.keyRing, transaction, row, granted, { refreshes, now })
  if (grantId === undefined) {
    const message = 'The connector was detached from the project meanwhile'
    await giveUp(context, transaction, row, { code: 'conflict', message })
    return refuse({ reason: 'conflict', message })
  }
  // A sign-in keeps the hash of its code, so that a second use is known for one.
  const columns = { grant_id: grantId, ...(row.kind === 'sign_in' ? { code_hash: row.code_hash } : {}) }
  await settle(transaction, row, { status: 'active', columns, now })
  return accept({ ...row, status: 'active', credential: null, grant_id: grantId })
}

/** Ends a request whose consent nobody may use any more: it waits to be ended at the provider. */
export async function giveUp(
  context: BrokerContext,
  transaction: Transaction<Schema>,
  row: ConsentRequestRow,
  error: { readonly code: string; readonly message: string },
  status: 'error' | 'expired' = 'error',
): Promise<void> {
  const now = context.now()
  const granted = openGranted(context.keyRing, row)
  if (granted !== undefined) await abandon(context.keyRing, transaction, row, granted, now)
  await settle(transaction, row, { status, error, now })
}

/**
 * Ends what the first use of a code made. The hash goes too: a third use must not end a grant that a new sign-in has put
 * in the place of this one.
 *
 * In a transaction of its own, which locks all attachments of the owner before the request: whoever holds one of them
 * already, as {@link lockForGrant} does, and then asks for the rest waits for a revocation that waits for it.
 */
async function endRedeemed(context: BrokerContext, of: ConsentRequestRow, secret: string): Promise<void> {
  const { connector_id: connectorId, owner } = of
  await context.db.transaction().execute(async (transaction) => {
    await lockAttachments(transaction, { connectorId, owner })
    const row = await lockConsentRequest(transaction, of.id)
    if (row?.status !== 'active' || !matchesHash(secret, row.code_hash)) return
    const now = context.now()
    await transaction
      .updateTable('consent_requests')
      .set({ code_hash: null })
      .where('id', '=', row.id)
      .execute()
    if (row.grant_id === null) return
    await endGrants(transaction, { connectorId, grantId: row.grant_id }, { now, revokeAt: now })
  })
}
