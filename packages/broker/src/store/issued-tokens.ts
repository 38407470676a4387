import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely'
import type { IssuedTokenRow, NewIssuedToken, Schema } from './schema.ts'
import { revokeUnlessOver } from './token-ending.ts'

/**
 * Keeps a token that was just minted, if nothing was revoked meanwhile: the attachment and the connector still
 * have the versions that were read before minting, and the subject's epoch has not grown.
 *
 * The attachment is locked first, in the order that every revocation locks it: either the revocation sees this
 * row, or this call sees the revocation. Never neither.
 *
 * @returns false when it was not kept: the caller must revoke the token and refuse.
 */
export async function recordToken(
  db: Kysely<Schema>,
  token: NewIssuedToken,
  /** `grantId`: the record of the installation that it was minted for, which must not have been ended. */
  expected: { readonly epoch: number; readonly grantId?: string | undefined },
): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    const attachment = await transaction
      .selectFrom('attachments')
      .select('version')
      .where('id', '=', token.attachment_id)
      .forShare()
      .executeTakeFirst()
    if (attachment?.version !== token.attachment_version) return false
    const current = await transaction
      .selectFrom('connectors as c')
      .leftJoin('subject_epochs as e', (join) =>
        join.on('e.attachment_id', '=', token.attachment_id).on('e.subject_key', '=', token.subject_key),
      )
      .select(['c.version', 'e.epoch'])
      .where('c.id', '=', token.connector_id)
      .where('c.removed_at', 'is', null)
      .executeTakeFirst()
    if (current?.version !== token.connector_version || (current.epoch ?? 0) !== expected.epoch) return false
    if (expected.grantId !== undefined && !(await isActive(transaction, expected.grantId))) return false
    await transaction.insertInto('issued_tokens').values(token).execute()
    return true
  })
}

async function isActive(transaction: Transaction<Schema>, grantId: string): Promise<boolean> {
  const grant = await transaction
    .selectFrom('grants')
    .select('state')
    .where('id', '=', grantId)
    .forShare()
    .executeTakeFirst()
  return grant?.state === 'active'
}

/** Keeps a token that may not be served, only so that it is ended at its provider. */
export async function recordForRevocation(
  db: Kysely<Schema>,
  token: NewIssuedToken,
  now: number,
): Promise<void> {
  await db
    .insertInto('issued_tokens')
    .values({ ...token, ended_at: now, revoke_at: now })
    .execute()
}

/** Ends the token that answers a request, when its provider rejected it and it is still the stored one. */
export async function endToken(
  db: Kysely<Schema>,
  token: {
    readonly id: string
    readonly attachmentId: string
    readonly requestKey: string
    readonly now: number
  },
): Promise<void> {
  await db
    .updateTable('issued_tokens')
    .set({ ended_at: token.now, revoke_at: revokeUnlessOver(token.now) })
    .where('id', '=', token.id)
    .where('attachment_id', '=', token.attachmentId)
    .where('request_key', '=', token.requestKey)
    .where('ended_at', 'is', null)
    .execute()
}

/** A token that was ended, as far as ending it at the provider needs. */
export type EndedToken = Pick<
  IssuedTokenRow,
  | 'id'
  | 'connector_id'
  | 'project_id'
  | 'environment'
  | 'subject_key'
  | 'request_key'
  | 'installation_id'
  | 'token'
  | 'facts'
  | 'provider_expires_at'
  | 'revoke_attempts'
>

const endedColumns = [
  'id',
  'connector_id',
  'project_id',
  'environment',
  'subject_key',
  'request_key',
  'installation_id',
  'token',
  'facts',
  'provider_expires_at',
  'revoke_attempts',
] as const

/**
 * Ends the tokens of one subject under one attachment and returns them. Runs in the caller's transaction, after
 * `lockAttachments`.
 *
 * Raises the subject's epoch under the attachment's lock, so that a token being minted at this moment is not kept.
 */
export async function endSubjectTokens(
  transaction: Transaction<Schema>,
  input: {
    readonly attachmentId: string
    readonly subjectKey: string
    readonly installationId: string | undefined
    readonly now: number
    readonly claimMs: number
  },
): Promise<readonly EndedToken[]> {
  await transaction
    .insertInto('subject_epochs')
    .values({ attachment_id: input.attachmentId, subject_key: input.subjectKey, epoch: 1 })
    .onConflict((conflict) =>
      conflict
        .columns(['attachment_id', 'subject_key'])
        .doUpdateSet({ epoch: sql`subject_epochs.epoch + 1` }),
    )
    .execute()
  let update = transaction
    .updateTable('issued_tokens')
    .set({ ended_at: input.now, revoke_at: claimUnlessOver(input.now, input.claimMs) })
    .where('attachment_id', '=', input.attachmentId)
    .where('subject_key', '=', input.subjectKey)
    .where('ended_at', 'is', null)
  if (input.installationId !== undefined) update = update.where('installation_id', '=', input.installationId)
  return update.returning(endedColumns).execute()
}

/**
 * Ends everything that was issued from a connector, whoever asked, and returns it. For operators. Runs in the caller's
 * transaction, after `lockAttachments`.
 */
export async function endConnectorTokens(
  transaction: Transaction<Schema>,
  input: {
    readonly connectorId: string
    readonly subjectKey: string | undefined
    readonly installationId: string | undefined
    readonly now: number
    readonly claimMs: number
  },
): Promise<readonly EndedToken[]> {
  // Ending by a new version of every attachment is what stops a token that is being minted right now.
  await transaction
    .updateTable('attachments')
    .set({ version: sql`version + 1` })
    .where('connector_id', '=', input.connectorId)
    .execute()
  let update = transaction
    .updateTable('issued_tokens')
    .set({ ended_at: input.now, revoke_at: claimUnlessOver(input.now, input.claimMs) })
    .where('connector_id', '=', input.connectorId)
    .where('ended_at', 'is', null)
  if (input.subjectKey !== undefined) update = update.where('subject_key', '=', input.subjectKey)
  if (input.installationId !== undefined) update = update.where('installation_id', '=', input.installationId)
  return update.returning(endedColumns).execute()
}

/**
 * Ends what was issued under some attachments for one installation. Runs in the caller's transaction, after
 * `lockAttachments`; a token that is being minted for it at this moment is not kept, because its grant is read again.
 */
export function endInstallationTokens(
  transaction: Transaction<Schema>,
  input: {
    readonly attachmentIds: readonly string[]
    readonly installationId: string
    readonly now: number
    readonly claimMs: number
  },
): Promise<readonly EndedToken[]> {
  if (input.attachmentIds.length === 0) return Promise.resolve([])
  return transaction
    .updateTable('issued_tokens')
    .set({ ended_at: input.now, revoke_at: claimUnlessOver(input.now, input.claimMs) })
    .where('attachment_id', 'in', [...input.attachmentIds])
    .where('installation_id', '=', input.installationId)
    .where('ended_at', 'is', null)
    .returning(endedColumns)
    .execute()
}

/**
 * Takes a few tokens that are due to be ended at their provider, those whose lease is over before the provider's
 * own end included. `revoke_at` moves ahead by `claimMs`, so that one replica at a time tries, and another takes
 * over when it dies.
 */
export async function claimRevocations(
  db: Kysely<Schema>,
  input: { readonly now: number; readonly claimMs: number; readonly limit: number },
): Promise<readonly EndedToken[]> {
  await db
    .updateTable('issued_tokens')
    .set({ ended_at: input.now, revoke_at: input.now })
    .where('ended_at', 'is', null)
    .where('revoke_at', 'is', null)
    .where('expires_at', '<=', input.now)
    .where('provider_expires_at', '>', input.now)
    .execute()
  return db
    .updateTable('issued_tokens')
    .set({
      revoke_at: input.now + input.claimMs,
      revoke_attempts: sql`revoke_attempts + 1`,
    })
    .where('id', 'in', (expression) =>
      expression
        .selectFrom('issued_tokens')
        .select('id')
        .where('revoke_at', '<=', input.now)
        .orderBy('revoke_at')
        .limit(input.limit)
        .forUpdate()
        .skipLocked(),
    )
    .returning(endedColumns)
    .execute()
}

/** Done with a token at its provider, one way or another. */
export async function finishRevocation(db: Kysely<Schema>, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await db
    .updateTable('issued_tokens')
    .set({ revoke_at: null })
    .where('id', 'in', [...ids])
    .execute()
}

/** Tries again later. */
export async function postponeRevocation(db: Kysely<Schema>, id: string, at: number): Promise<void> {
  await db.updateTable('issued_tokens').set({ revoke_at: at }).where('id', '=', id).execute()
}

/** Forgets tokens that are over, and removed connectors of which nothing is left. */
export async function purge(db: Kysely<Schema>, now: number): Promise<void> {
  await db
    .deleteFrom('issued_tokens')
    .where('revoke_at', 'is', null)
    .where((expression) =>
      expression.or([
        expression('ended_at', 'is not', null),
        expression.and([
          expression('expires_at', '<=', now),
          // A lease that is over before the provider's own end waits to be ended there first.
          expression.or([
            expression('provider_expires_at', 'is', null),
            expression('provider_expires_at', '<=', now),
          ]),
        ]),
      ]),
    )
    .execute()
  await db
    .deleteFrom('connectors')
    .where('removed_at', 'is not', null)
    .where((expression) =>
      expression.not(
        expression.exists(
          expression
            .selectFrom('issued_tokens')
            .select('issued_tokens.id')
            .whereRef('issued_tokens.connector_id', '=', 'connectors.id'),
        ),
      ),
    )
    .where((expression) =>
      expression.not(
        expression.exists(
          expression
            .selectFrom('grants')
            .select('grants.id')
            .whereRef('grants.connector_id', '=', 'connectors.id')
            .where('grants.revoke_at', 'is not', null),
        ),
      ),
    )
    .execute()
}

function claimUnlessOver(now: number, claimMs: number): RawBuilder<number | null> {
  return sql<number | null>`case when provider_expires_at > ${now}::bigint then ${now + claimMs}::bigint end`
}
