import { randomBytes } from 'node:crypto'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Puts a migrated, empty database and keys of its own where a broker will look for them, if the run of tests has made
 * such a database: making one takes seconds.
 */
export function putDatabase(dataDir: string): void {
  const base = process.env.VALETKEY_TEST_DATABASE
  if (base === undefined) return
  cpSync(base, dataDir, { recursive: true })
  writeFileSync(join(dataDir, 'keys'), `test:${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
}
