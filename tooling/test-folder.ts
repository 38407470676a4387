import { statfsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** What the databases of a whole run may come to. */
const enoughBytes = 8 * 1024 ** 3

/**
 * Has a run of tests keep its temporary files in memory where there is enough of it: the databases of some hundred
 * brokers are written and thrown away, each with flushes to the disk that nobody will need.
 */
export default async function useMemoryForFiles(): Promise<() => Promise<void>> {
  const memory = '/dev/shm'
  if (process.env.TMPDIR !== undefined || !hasRoom(memory)) return async () => {}
  const folder = await mkdtemp(join(memory, 'valetkey-tests-'))
  // As /tmp: the test servers of PostgreSQL run as a user of their own.
  await chmod(folder, 0o1777)
  process.env.TMPDIR = folder
  return async () => {
    delete process.env.TMPDIR
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

function hasRoom(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize >= enoughBytes
  } catch {
    return false
  }
}
