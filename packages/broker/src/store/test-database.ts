// A migrated, empty embedded database for the tests of this package; not part of it.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A database of the caller's own, a copy of the one that the run of tests has made. */
export interface TestDatabaseFolder {
  /** For `createBroker`. */
  readonly database: { readonly folder: string } | 'memory'
  /** For `openEmbedded`. */
  readonly folder: string
  remove(): void
}

export function testDatabaseFolder(): TestDatabaseFolder {
  const base = process.env.VALETKEY_TEST_DATABASE
  if (base === undefined) return { database: 'memory', folder: 'memory', remove() {} }
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-test-'))
  cpSync(base, folder, { recursive: true })
  return { database: { folder }, folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
