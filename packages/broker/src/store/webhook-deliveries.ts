import { type Kysely, sql, type Transaction } from 'kysely'
import { newId } from './ids.ts'
import type { Schema, WebhookDeliveryRow } from './schema.ts'

/** Queues what a webhook is to be told. Runs in the transaction of what it tells. */
export async function queueDelivery(
  transaction: Transaction<Schema>,
  delivery: {
    readonly requestId: string
    readonly url: string
    readonly body: string
    readonly now: number
  },
): Promise<void> {
  await transaction
    .insertInto('webhook_deliveries')
    .values({
      id: newId('whd'),
      request_id: delivery.requestId,
      url: delivery.url,
      body: delivery.body,
      next_at: delivery.now,
      // Two changes within a millisecond still have an order; whoever queues holds the lock on the request.
      created_at: sql<number>`greatest(${delivery.now}::bigint, coalesce((select max(o.created_at) + 1
        from webhook_deliveries o where o.request_id = ${delivery.requestId}), 0))`,
    })
    .execute()
}

/** A delivery and what its attestation names. */
export type DueDelivery = WebhookDeliveryRow & {
  readonly project_id: string
  readonly project_name: string
  readonly environment: string
  readonly connector_id: string
  readonly connector_uid: string
}

/**
 * Takes a few deliveries that are due; each is claimed by one replica. Of one request only the oldest: a webhook must
 * not hear of the end before it hears of what came before. Of one project `perProject` at most, and the first of every
 * project before the second of any: webhooks that answer slowly are waited for at the cost of their own project.
 */
export async function claimDeliveries(
  db: Kysely<Schema>,
  input: {
    readonly now: number
    readonly claimMs: number
    readonly limit: number
    readonly perProject: number
    /** Deliveries under way, by project: they count as taken. */
    readonly busy: Readonly<Record<string, number>>
  },
): Promise<DueDelivery[]> {
  const busy = JSON.stringify(input.busy)
  const claimed = await db
    .updateTable('webhook_deliveries')
    .set({ next_at: input.now + input.claimMs, attempts: sql<number>`attempts + 1` })
    .where('id', 'in', (expression) =>
      expression
        .selectFrom('webhook_deliveries as taken')
        .select('taken.id')
        .where('taken.next_at', '<=', input.now)
        .where('taken.id', 'in', (candidates) =>
          candidates
            .selectFrom((due) =>
              due
                .selectFrom('webhook_deliveries as d')
                .innerJoin('consent_requests as r', 'r.id', 'd.request_id')
                .select(['d.id', 'd.next_at'])
                .select(
                  sql<number>`row_number() over (partition by r.project_id order by d.next_at, d.id)
                    + coalesce((${busy}::jsonb ->> r.project_id)::int, 0)`.as('place'),
                )
                .where('d.next_at', '<=', input.now)
                .where(
                  sql<boolean>`not exists (select from webhook_deliveries o
                    where o.request_id = d.request_id and (o.created_at, o.id) < (d.created_at, d.id))`,
                )
                .as('due'),
            )
            .select('due.id')
            .where('due.place', '<=', input.perProject)
            .orderBy('due.place')
            .orderBy('due.next_at')
            .limit(input.limit),
        )
        .forUpdate()
        .skipLocked(),
    )
    .returning('id')
    .execute()
  if (claimed.length === 0) return []
  return db
    .selectFrom('webhook_deliveries as d')
    .innerJoin('consent_requests as r', 'r.id', 'd.request_id')
    .innerJoin('connectors as c', 'c.id', 'r.connector_id')
    .leftJoin('projects as p', 'p.id', 'r.project_id')
    .selectAll('d')
    .select(['r.project_id', 'r.environment', 'r.connector_id', 'c.uid as connector_uid'])
    .select(sql<string>`coalesce(p.name, '')`.as('project_name'))
    .where(
      'd.id',
      'in',
      claimed.map((row) => row.id),
    )
    .execute()
}

/** Forgets a delivery: it arrived, or it never will. */
export async function dropDelivery(db: Kysely<Schema>, id: string): Promise<void> {
  await db.deleteFrom('webhook_deliveries').where('id', '=', id).execute()
}

export async function postponeDelivery(db: Kysely<Schema>, id: string, nextAt: number): Promise<void> {
  await db.updateTable('webhook_deliveries').set({ next_at: nextAt }).where('id', '=', id).execute()
}
