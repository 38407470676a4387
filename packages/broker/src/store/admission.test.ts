import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readAdmission } from './admission.ts'
import { findDueForRefresh } from './grant-lease.ts'
import { keepGrant } from './grants.ts'
import { migrate } from './migrate.ts'
import { type OpenDatabase, openPostgres } from './open-database.ts'
import { startTestPostgres, type TestPostgres } from './test-postgres.ts'
import { makeWorld, now, type World } from './test-world.ts'

let postgres: TestPostgres
let database: OpenDatabase
let world: World
beforeAll(async () => {
  postgres = await startTestPostgres()
  database = openPostgres({ url: await postgres.createDatabase(), log: () => {}, maxConnections: 1 })
  await migrate(database.db)
  world = await makeWorld(database.db)
  await keepUser('ann')
  // As many as the planner needs before it would rather have an index.
  await sql`insert into grants
    select g.id || n, connector_id, owner, project_id, environment, kind, issuer, user_id || n, installation_id,
      is_default, state, identity, scopes, credential, credential_version, refreshable, access_expires_at, obtained_at,
      last_used_at, refresh_attempts, refresh_retry_at, lease_holder, lease_until, lease_version, created_at,
      updated_at, ended_at, revoke_at, revoke_attempts, revoke_outcome
    from grants g, generate_series(1, 20000) n`.execute(database.db)
  await sql`vacuum analyze grants`.execute(database.db)
})
afterAll(async () => {
  await database.close()
  await postgres.stop()
})

async function keepUser(userId: string): Promise<void> {
  const { attachment, connectorId } = world
  const key = { connectorId, owner: attachment.owner, kind: 'user', issuer: '', userId, installationId: '' }
  await database.db.transaction().execute((transaction) =>
    keepGrant(transaction, attachment.id, {
      key: { ...key, kind: 'user' },
      projectId: attachment.project_id,
      environment: attachment.environment,
      identity: {},
      scopes: [],
      refreshable: true,
      accessExpiresAt: now + 3_600_000,
      now,
      seal: () => 'sealed',
    }),
  )
}

/** How many rows of grants the statements of `work` read other than by an index. */
async function rowsScanned(work: (db: OpenDatabase['db']) => Promise<unknown>): Promise<number> {
  return database.db.transaction().execute(async (transaction) => {
    // What this session has read before and not yet reported counts too.
    const readSoFar = async () => {
      const { rows } = await sql<{ scanned: string }>`
        select seq_tup_read as scanned from pg_stat_xact_user_tables where relname = 'grants'`.execute(
        transaction,
      )
      return Number(rows[0]?.scanned)
    }
    const before = await readSoFar()
    await work(transaction)
    return (await readSoFar()) - before
  })
}

it('finds the grant of a request by an index, however many there are', async () => {
  const query = { grantKind: 'user', grantUserId: 'ann7' } as const
  expect((await world.ask(query)).link?.found).toMatchObject({ grant: { row: { user_id: 'ann7' } } })
  const scanned = await rowsScanned((db) =>
    readAdmission(db, {
      projectId: world.projectId,
      environment: 'production',
      connector: world.uid,
      requestKey: 'request',
      subjectKey: 'subject',
      rejectedTokenId: '',
      validityBufferMs: 30_000,
      grantIssuer: '',
      grantInstallationId: '',
      now,
      ...query,
    }),
  )
  expect(scanned).toBe(0)
})

it('finds the grants that are due for a refresh by an index', async () => {
  expect(await rowsScanned((db) => findDueForRefresh(db, { now, aheadMs: 60_000, limit: 10 }))).toBe(0)
})
