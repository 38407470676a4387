import { type Kysely, sql } from 'kysely'
import { z } from 'zod'
import { type SeenDetails, sameIdentity } from '../authenticate/identities-seen.ts'
import type { Schema } from './schema.ts'

const lookBackMs = 30 * 86_400_000

const seenBody = z.object({
  details: z.object({
    issuer: z.string(),
    subject: z.string(),
    audience: z.string(),
    claims: z.record(z.string(), z.string()),
    lifeSeconds: z.number(),
    outcome: z.enum(['admitted', 'claims_unmatched', 'identity_ambiguous']),
  }),
})

/** Identities that the audit saw, each once, newest first. */
export interface IdentitiesSeen {
  readonly identities: readonly SeenDetails[]
  /** How far back they were looked for, in milliseconds since the epoch. */
  readonly since: number
}

/** Reads the newest 10,000 events of the last 30 days, a page at a time: events are up to 20 KB each. */
export async function readIdentitiesSeen(
  db: Kysely<Schema>,
  nowMs: number,
  {
    maxEvents = 10_000,
    pageEvents = 1_000,
  }: { readonly maxEvents?: number; readonly pageEvents?: number } = {},
): Promise<IdentitiesSeen> {
  // Apart: strangers with tokens of a trusted issuer must not push out those that a change would lock out.
  const admitted = await readSome(db, nowMs, 'is not', maxEvents, pageEvents)
  const others = await readSome(db, nowMs, 'is', Math.ceil(maxEvents / 5), pageEvents)
  const identities = new Map<string, SeenDetails>()
  for (const [key, details] of [...admitted.identities, ...others.identities])
    if (!identities.has(key)) identities.set(key, details)
  return { identities: [...identities.values()], since: admitted.since }
}

/** Events of identities that a project was found for (`is not`), or of those that no rule admitted (`is`). */
async function readSome(
  db: Kysely<Schema>,
  nowMs: number,
  project: 'is' | 'is not',
  maxEvents: number,
  pageEvents: number,
): Promise<{ readonly identities: ReadonlyMap<string, SeenDetails>; readonly since: number }> {
  let since = nowMs - lookBackMs
  const identities = new Map<string, SeenDetails>()
  let before = Number.MAX_SAFE_INTEGER
  for (let read = 0; read < maxEvents; read += pageEvents) {
    const rows = await db
      .selectFrom('audit_events')
      .select(['position', 'at', 'body'])
      // Written out: a partial index serves a statement only if it says so itself.
      .where(sql<boolean>`kind = 'identity_seen'`)
      .where('project_id', project, null)
      .where('position', '<', before)
      .where('at', '>=', since)
      .orderBy('position', 'desc')
      .limit(pageEvents)
      .execute()
    for (const row of rows) {
      const details = detailsIn(row.body)
      if (details === undefined) continue
      const key = sameIdentity(details)
      if (!identities.has(key)) identities.set(key, details)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageEvents) break
    before = Number(last.position)
    if (read + pageEvents >= maxEvents) since = Number(last.at)
  }
  return { identities, since }
}

/** A row that somebody damaged tells nothing here; `audit verify` finds it. */
function detailsIn(body: string): SeenDetails | undefined {
  try {
    return seenBody.safeParse(JSON.parse(body)).data?.details
  } catch {
    return undefined
  }
}
