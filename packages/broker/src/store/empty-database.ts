import { existsSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const name = 'empty-database.tar.gz'

// Beside the built files; sources use that of the last build. Without it a database is made from nothing, which takes
// seconds longer.
const archive = [`./${name}`, `../../dist/${name}`]
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path))

/** An empty database of the engine's version, as its `loadDataDir` takes one; undefined when there is none to take. */
export async function emptyDatabase(): Promise<Blob | undefined> {
  return archive === undefined ? undefined : new Blob([new Uint8Array(await readFile(archive))])
}

/**
 * Puts an empty database into `<folder>/db` if there is none yet, whole or not at all: a process that ends on the way
 * leaves nothing that a later start would take for a database.
 */
export async function placeEmptyDatabase(
  folder: string,
  load: (dataDir: string, empty: Blob) => Promise<void>,
): Promise<void> {
  const place = join(folder, 'db')
  if (existsSync(place)) return
  const empty = await emptyDatabase()
  if (empty === undefined) return
  const unfinished = join(folder, 'db.unfinished')
  await rm(unfinished, { recursive: true, force: true })
  await load(unfinished, empty)
  await rename(unfinished, place)
}
