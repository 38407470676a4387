import type { Kysely } from 'kysely'
import type { TrustRule } from '../authenticate/trust-rule.ts'
import type { Schema, TrustRuleRow } from './schema.ts'

/** Projects and rules as they stood at one revision. */
interface Snapshot {
  readonly revision: number
  readonly rulesByIssuer: ReadonlyMap<string, readonly TrustRule[]>
  readonly projects: ReadonlyMap<
    string,
    { readonly projectName: string; readonly allowsDevelopment: boolean }
  >
}

/** A process's copy of projects and trust rules. */
export interface TrustSnapshots {
  /** Rules of exactly this issuer. An issuer that the copy doesn't know makes it look again. */
  rulesFor(issuer: string): Promise<readonly TrustRule[]>
  /** A rule of a project, as the copy has it. */
  rule(projectId: string, ruleId: string): Promise<TrustRule | undefined>
  /** A project of the copy, or of a fresh one when the copy doesn't know it. */
  project(
    id: string,
  ): Promise<{ readonly projectName: string; readonly allowsDevelopment: boolean } | undefined>
  /** The revision of the copy; compared with the one that a request's round trip reads. */
  revision(): number
  /** Reads again if the database has another revision. Concurrent calls share one read. */
  refresh(): Promise<void>
}

/**
 * Keeps trust rules in memory so that a token request needs no round trip of its own for them.
 *
 * The copy is never believed on its own: every request reads the revision in the round trip it makes anyway, and
 * starts over with a fresh copy when it differs. A removed rule therefore admits nobody once its removal has committed.
 */
export function createTrustSnapshots(db: Kysely<Schema>): TrustSnapshots {
  let snapshot: Snapshot = { revision: 0, rulesByIssuer: new Map(), projects: new Map() }
  let reading: Promise<void> | undefined
  let next: Promise<void> | undefined

  async function readIfChanged(): Promise<void> {
    const { value } = await db
      .selectFrom('revisions')
      .select('value')
      .where('name', '=', 'trust')
      .executeTakeFirstOrThrow()
    if (value !== snapshot.revision) snapshot = await readSnapshot(db)
  }

  function read(): Promise<void> {
    reading = readIfChanged().finally(() => {
      reading = undefined
    })
    return reading
  }

  function refresh(): Promise<void> {
    if (reading === undefined) return read()
    // The read under way may have begun before the change that this caller must see: all who wait share the one after it.
    next ??= reading
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return read()
      })
    return next
  }

  return {
    async rulesFor(issuer) {
      if (!snapshot.rulesByIssuer.has(issuer)) await refresh()
      return snapshot.rulesByIssuer.get(issuer) ?? []
    },
    async rule(projectId, ruleId) {
      for (const rules of snapshot.rulesByIssuer.values()) {
        const found = rules.find((rule) => rule.id === ruleId && rule.projectId === projectId)
        if (found !== undefined) return found
      }
      return undefined
    },
    async project(id) {
      if (!snapshot.projects.has(id)) await refresh()
      return snapshot.projects.get(id)
    },
    revision: () => snapshot.revision,
    refresh,
  }
}

async function readSnapshot(db: Kysely<Schema>): Promise<Snapshot> {
  // Repeatable read: revision, rules and projects must be of one moment, or a stale copy could carry a new revision.
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (transaction) => {
      const { value } = await transaction
        .selectFrom('revisions')
        .select('value')
        .where('name', '=', 'trust')
        .executeTakeFirstOrThrow()
      const projects = await transaction
        .selectFrom('projects')
        .select(['id', 'name', 'allow_development_identities'])
        .execute()
      const rules = await transaction
        .selectFrom('trust_rules')
        .innerJoin('projects', 'projects.id', 'trust_rules.project_id')
        .selectAll('trust_rules')
        .select('projects.name as project_name')
        .orderBy('trust_rules.created_at')
        .orderBy('trust_rules.id')
        .execute()
      const rulesByIssuer = new Map<string, TrustRule[]>()
      for (const row of rules) {
        const list = rulesByIssuer.get(row.issuer) ?? []
        rulesByIssuer.set(row.issuer, list)
        list.push(trustRuleOf(row, row.project_name))
      }
      return {
        revision: value,
        rulesByIssuer,
        projects: new Map(
          projects.map((project) => [
            project.id,
            { projectName: project.name, allowsDevelopment: project.allow_development_identities },
          ]),
        ),
      }
    })
}

/** A stored rule, as identities are held against it. */
export function trustRuleOf(row: TrustRuleRow, projectName: string): TrustRule {
  return {
    id: row.id,
    projectId: row.project_id,
    projectName,
    environment: row.environment,
    issuer: row.issuer,
    audience: row.audience,
    claims: row.claims,
    refuse: row.refuse,
    maxAgeSeconds: row.max_age_seconds,
  }
}
