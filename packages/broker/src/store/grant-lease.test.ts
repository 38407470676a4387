import { afterAll, beforeAll, expect, it } from 'vitest'
import { noteUse } from './grant-lease.ts'
import { keepGrant, readGrant } from './grants.ts'
import { migrate } from './migrate.ts'
import { type OpenDatabase, openPostgres } from './open-database.ts'
import { startTestPostgres, type TestPostgres } from './test-postgres.ts'
import { makeWorld, now } from './test-world.ts'

let postgres: TestPostgres
let database: OpenDatabase
beforeAll(async () => {
  postgres = await startTestPostgres()
  database = openPostgres({ url: await postgres.createDatabase(), log: () => {}, maxConnections: 4 })
  await migrate(database.db)
})
afterAll(async () => {
  await database.close()
  await postgres.stop()
})

async function grantsOf(userIds: readonly string[]): Promise<readonly string[]> {
  const { attachment, connectorId } = await makeWorld(database.db)
  const ids: string[] = []
  for (const userId of userIds) {
    const id = await database.db.transaction().execute((transaction) =>
      keepGrant(transaction, attachment.id, {
        key: {
          connectorId,
          owner: attachment.owner,
          kind: 'user',
          issuer: '',
          userId,
          installationId: '',
        },
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
    if (id === undefined) throw new Error('the attachment is gone')
    ids.push(id)
  }
  return ids
}

it('notes the use of grants without a deadlock with whoever locks them in another order', async () => {
  const [first = '', second = ''] = await grantsOf(['ann', 'bob'])
  await database.db.transaction().execute(async (transaction) => {
    const lock = (id: string) =>
      transaction.selectFrom('grants').select('id').where('id', '=', id).forUpdate().execute()
    await lock(second)
    // It waits for nobody: a revocation that holds one of them goes on to the other.
    await noteUse(database.db, [first, second], now + 1)
    await lock(first)
  })
  expect((await readGrant(database.db, first))?.last_used_at).toBe(now + 1)
  expect((await readGrant(database.db, second))?.last_used_at).toBeNull()
  await noteUse(database.db, [first, second], now + 2)
  expect((await readGrant(database.db, second))?.last_used_at).toBe(now + 2)
})

it('notes the use of no grant at all', async () => {
  await expect(noteUse(database.db, [], now)).resolves.toBeUndefined()
})
