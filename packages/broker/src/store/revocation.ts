import type { Kysely } from 'kysely'
import { endGrants, type GrantsToEnd, lockAttachments } from './grant-ending.ts'
import { type EndedToken, endConnectorTokens, endSubjectTokens } from './issued-tokens.ts'
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
    const grants =
      user === undefined
        ? []
        : await endGrants(
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
    const grants = withGrants
      ? await endGrants(transaction, which, { now: moments.now, revokeAt: moments.now + moments.claimMs })
      : []
    return { tokens, grants }
  })
}
