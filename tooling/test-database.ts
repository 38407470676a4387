import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '../packages/broker/src/store/migrate.ts'
import { openEmbedded } from '../packages/broker/src/store/open-database.ts'

/**
 * Makes one migrated, empty database for a whole run of tests, which copy it: making one takes seconds, a copy less
 * than a tenth of one. Tests find it by `VALETKEY_TEST_DATABASE`.
 */
export default async function makeTestDatabase(): Promise<() => Promise<void>> {
  if (process.env.VALETKEY_TEST_DATABASE !== undefined) return async () => {}
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-test-database-'))
  const database = await openEmbedded({ folder, log: () => {} })
  await migrate(database.db)
  await database.close()
  process.env.VALETKEY_TEST_DATABASE = folder
  return async () => {
    delete process.env.VALETKEY_TEST_DATABASE
    await rm(folder, { recursive: true, force: true })
  }
}
