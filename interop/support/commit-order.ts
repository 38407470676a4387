import { askToken, type Replica, type Replicas } from './replicas.ts'
import { until } from './until.ts'

/** What a revocation under load came to, by the moments at which PostgreSQL committed. */
export interface RevocationRound {
  /** Answers with a token. */
  readonly answered: number
  /** `token_issued` events that committed before the revocation did. */
  readonly before: number
  /** Those that committed after it: there may be none. */
  readonly after: number
  /** Requests that were sent after the revocation had been answered, and the tokens they got: there may be none. */
  readonly sentLater: number
  readonly servedLater: number
}

/**
 * Imports grants of `users`, has every replica answer requests for them, and revokes all of the connector's tokens
 * after `afterAnswers` answers at one of them.
 *
 * The order is PostgreSQL's own (`track_commit_timestamp`): the moment at which each event's transaction committed,
 * against that of the transaction that counted the revocation on the attachment.
 */
export async function revokeUnderLoad(
  world: Replicas,
  replicas: readonly Replica[],
  options: {
    readonly users: readonly string[]
    readonly afterAnswers: number
    readonly revokeAt: Replica
    readonly workersEach: number
  },
): Promise<RevocationRound> {
  const { users, afterAnswers, revokeAt, workersEach } = options
  await world.grant(revokeAt, users, 'fresh')
  const [last] = await world.sql.query<{ position: string }>(
    'select coalesce(max(position), 0) as position from audit_events',
  )
  let stopped = false
  let revokedAtMs = Number.POSITIVE_INFINITY
  const counts = { answered: 0, sentLater: 0, servedLater: 0 }
  const work = async (replica: Replica, offset: number) => {
    for (let turn = offset; !stopped; turn += 1) {
      const sentAtMs = performance.now()
      const { status } = await askToken(world, replica, users[turn % users.length] ?? '')
      const later = sentAtMs > revokedAtMs
      if (status === 200) counts.answered += 1
      if (later) counts.sentLater += 1
      if (later && status === 200) counts.servedLater += 1
    }
  }
  const workers = Promise.all(
    replicas.flatMap((replica) => Array.from({ length: workersEach }, (_, offset) => work(replica, offset))),
  )
  await until('the load runs', () => counts.answered >= afterAnswers)
  const path = `/v1/connect/connectors/${encodeURIComponent(world.connector)}/tokens`
  await world.ownerAt(revokeAt).call('DELETE', path, {})
  revokedAtMs = performance.now()
  await until('requests were sent after it', () => counts.sentLater >= workersEach)
  stopped = true
  await workers
  const [order] = await world.sql.query<{ before: string; after: string }>(
    `with revoked as (select max(pg_xact_commit_timestamp(xmin)) as at from attachments)
     select count(*) filter (where pg_xact_commit_timestamp(e.xmin) <= revoked.at) as before,
       count(*) filter (where pg_xact_commit_timestamp(e.xmin) > revoked.at) as after
     from audit_events e, revoked where e.kind = 'token_issued' and e.position > $1`,
    [last?.position ?? '0'],
  )
  return { ...counts, before: Number(order?.before), after: Number(order?.after) }
}
