import type { Kysely, Transaction } from 'kysely'
import { endGrants, type GrantsToEnd, lockAttachments } from './grant-ending.ts'
import {
  type EndedToken,
  endConnectorTokens,
  endInstallationTokens,
  endSubjectTokens,
} from './issued-tokens.ts'
import type { GrantRow, Schema } from './schema.ts'

/** What a revocation ended, claimed by the caller to be ended at the provider too. */
export interface Ended {
  readonly tokens: readonly EndedToken[]
  readonly grants: readonly GrantRow[]
}

/** When it happens, and how long the caller keeps what it ended to itself. */
interface Moments {
  readonly now: number
  readonly claimMs: number
}

/**
 * Ends what one attachment holds for one subject: the tokens that were issued to it, and the user's grant, with
 * everybody whom an operator made share it.
 */
export function revokeSubject(
  db: Kysely<Schema>,
  of: {
    readonly connectorId: string
    readonly attachmentId: string
    readonly subjectKey: string
    /** Absent where the subject has no grant that a workload may end. */
    readonly user?: { readonly id: string; readonly issuer: string }
    readonly installationId: string | undefined
  },
  moments: Moments,
): Promise<Ended> {
  const { connectorId, attachmentId, subjectKey, installationId, user } = of
  return db.transaction().execute(async (transaction) => {
    const attachment = await transaction
      .selectFrom('attachments')
      .select('owner')
      .where('id', '=', attachmentId)
      .executeTakeFirst()
    if (attachment === undefined) return { tokens: [], grants: [] }
    const { owner } = attachment
    const locked = await lockAttachments(transaction, { connectorId, owner })
    // Detached, or given another namespace, between the two statements: that has ended what there was.
    if (!locked.includes(attachmentId)) return { tokens: [], grants: [] }
    const tokens = await endSubjectTokens(transaction, {
      attachmentId,
      subjectKey,
      installationId,
      ...moments,
    })
    if (user === undefined) return { tokens, grants: [] }
    await endConsents(transaction, { connectorId, owner, issuer: user.issuer, userId: user.id }, moments.now)
    const grants = await endGrants(
      transaction,
      {
        connectorId,
        owner,
        kind: 'user',
        issuer: user.issuer,
        userId: user.id,
        ...(installationId === undefined ? {} : { installationId }),
      },
      { now: moments.now, revokeAt: moments.now + moments.claimMs },
    )
    return { tokens, grants }
  })
}

/** Ends what was issued from a connector, for whomever, or for one subject or installation of it. For operators. */
export function revokeConnector(
  db: Kysely<Schema>,
  of: GrantsToEnd & { readonly subjectKey: string | undefined; readonly withGrants: boolean },
  moments: Moments,
): Promise<Ended> {
  const { subjectKey, withGrants, ...which } = of
  const { connectorId, installationId } = which
  return db.transaction().execute(async (transaction) => {
    await lockAttachments(transaction, { connectorId })
    const tokens = await endConnectorTokens(transaction, {
      connectorId,
      subjectKey,
      installationId,
      ...moments,
    })
    if (withGrants && installationId === undefined) await endConsents(transaction, which, moments.now)
    const grants = withGrants
      ? await endGrants(transaction, which, { now: moments.now, revokeAt: moments.now + moments.claimMs })
      : []
    return { tokens, grants }
  })
}

/** Ends one grant, and what was issued for an installation of which it is the record. For operators. */
export function revokeGrant(
  db: Kysely<Schema>,
  grant: Pick<GrantRow, 'id' | 'connector_id' | 'owner' | 'kind' | 'installation_id'>,
  moments: Moments,
): Promise<Ended> {
  const { connector_id: connectorId, owner, installation_id: installationId } = grant
  return db.transaction().execute(async (transaction) => {
    const attachmentIds = await lockAttachments(transaction, { connectorId, owner })
    const revokeAt = moments.now + moments.claimMs
    const grants = await endGrants(
      transaction,
      { connectorId, grantId: grant.id },
      { now: moments.now, revokeAt },
    )
    const tokens =
      grant.kind === 'installation'
        ? await endInstallationTokens(transaction, { attachmentIds, installationId, ...moments })
        : []
    return { tokens, grants }
  })
}

/**
 * What was consented to before a revocation must not become a grant after it: its requests are over from now on, and
 * the sweep ends what they hold at the provider. One that still waits for a person is decided anew.
 */
async function endConsents(
  transaction: Transaction<Schema>,
  of: Pick<GrantsToEnd, 'connectorId' | 'owner' | 'issuer' | 'userId'>,
  now: number,
): Promise<void> {
  let update = transaction
    .updateTable('consent_requests')
    .set({ expires_at: now, code_expires_at: now })
    .where('connector_id', '=', of.connectorId)
    .where('status', '=', 'consented')
  if (of.owner !== undefined) update = update.where('owner', '=', of.owner)
  if (of.issuer !== undefined) update = update.where('issuer', '=', of.issuer)
  if (of.userId !== undefined) update = update.where('user_id', '=', of.userId)
  await update.execute()
}
