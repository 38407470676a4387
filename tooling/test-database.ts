import { randomBytes } from 'node:crypto'
import { cpSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalAccessToken } from '../packages/broker/src/host/index.ts'
import { migrate } from '../packages/broker/src/store/migrate.ts'
import { openEmbedded } from '../packages/broker/src/store/open-database.ts'

/**
 * Makes a migrated, empty database for a whole run of tests, which copy it: making one takes seconds, a copy less than
 * a tenth of one. Tests find it by `VALETKEY_TEST_DATABASE`.
 *
 * And one that has an owner already: `VALETKEY_TEST_OWNED_DATABASE` is JSON with its `folder`, `keys` and `owner`.
 */
export default async function makeTestDatabases(): Promise<() => Promise<void>> {
  if (process.env.VALETKEY_TEST_DATABASE !== undefined) return async () => {}
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-test-database-'))
  const database = await openEmbedded({ folder, log: () => {} })
  await migrate(database.db)
  await database.close()

  const owned = await mkdtemp(join(tmpdir(), 'valetkey-test-owned-database-'))
  cpSync(folder, owned, { recursive: true })
  const keys = `test:${randomBytes(32).toString('base64')}`
  const { token: owner } = await createLocalAccessToken({
    environment: { VALETKEY_KEYS: keys },
    dataDir: owned,
    log: () => {},
    role: 'owner',
  })
  process.env.VALETKEY_TEST_DATABASE = folder
  process.env.VALETKEY_TEST_OWNED_DATABASE = JSON.stringify({ folder: owned, keys, owner })
  return async () => {
    delete process.env.VALETKEY_TEST_DATABASE
    delete process.env.VALETKEY_TEST_OWNED_DATABASE
    for (const each of [folder, owned]) await rm(each, { recursive: true, force: true })
  }
}
