import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { generateKey } from '../secrets/key-ring.ts'
import { errorCode } from './database-unreachable.ts'
import { type FolderLock, type FolderLockOptions, lockFolder } from './folder-lock.ts'

export { FolderInUse, type FolderLock, type FolderLockOptions } from './folder-lock.ts'

/** The data folder, or its key file, can't be used as it is. The message says why and the next step. */
export class FolderUnusable extends Error {
  override readonly name = 'FolderUnusable'
}

/**
 * Takes the data folder for this process, making it if need be. A folder whose process was killed is taken over at
 * once; two starters never both get it.
 *
 * @throws {FolderInUse} naming the process that has it
 * @throws {FolderUnusable} when it can't be written
 */
export async function lockDataFolder(folder: string, options: FolderLockOptions = {}): Promise<FolderLock> {
  const path = resolve(folder)
  return await explained(path, async () => {
    await prepareFolder(path)
    return await lockFolder(path, options)
  })
}

/**
 * The text of the folder's key ring, `<folder>/keys`: generated on first use, read ever after.
 *
 * @param options.hasData whether the folder's database holds anything: then a missing file is an error, because new
 *   keys would not open it.
 * @throws {FolderUnusable} when the file is missing over data, readable by others, or can't be read
 */
export async function dataFolderKeys(
  folder: string,
  options: { readonly hasData: boolean; readonly now?: () => number },
): Promise<string> {
  const path = resolve(folder)
  const file = join(path, 'keys')
  return await explained(path, async () => {
    await prepareFolder(path)
    const existing = await readKeys(file)
    if (existing !== undefined) return existing
    if (options.hasData) {
      throw new FolderUnusable(
        `The key file ${file} is missing, and the data in ${path} can not be opened without it: restore the file, or move the folder away to start anew.`,
      )
    }
    await writeOnce(path, file, `${generateKey((options.now ?? Date.now)()).text}\n`)
    // Read back: another starter may have been first.
    const written = await readKeys(file)
    if (written === undefined) throw new FolderUnusable(`The key file ${file} could not be written.`)
    return written
  })
}

/** Only the owner may look in; git ignores everything in it, this file included. */
async function prepareFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await writeFile(join(path, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error
  })
}

async function readKeys(file: string): Promise<string | undefined> {
  let text: string
  try {
    const { mode } = await stat(file)
    // Windows has no such bits: there the user's profile folder protects it.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new FolderUnusable(`Other users can read the key file ${file}: run chmod 600 ${file}`)
    }
    text = (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  if (text === '') throw new FolderUnusable(`The key file ${file} is empty: restore it from a backup.`)
  return text
}

/** The file appears whole and on disk, or not at all: a key that encrypted something must survive a power cut. */
async function writeOnce(folder: string, file: string, text: string): Promise<void> {
  const temporary = join(folder, `keys-${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(temporary, file).catch(async (error: unknown) => {
      if (errorCode(error) === 'EEXIST') return
      // No hard links here. The folder's lock keeps other starters away.
      await writeFile(file, text, { flag: 'wx', mode: 0o600, flush: true })
    })
  } finally {
    await rm(temporary, { force: true })
  }
  // Without this the name itself can be lost; Windows can't open folders.
  const directory = await open(folder, 'r').catch(() => undefined)
  await directory?.sync().catch(() => {})
  await directory?.close()
}

async function explained<Result>(path: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new FolderUnusable(`The data folder ${path} can not be read and written by this user (${code}).`)
    }
    if (code === 'ENOTDIR' || code === 'EEXIST') {
      throw new FolderUnusable(`${path} is not a folder: choose another one with --data-dir.`)
    }
    if (code === 'ENOSPC') throw new FolderUnusable(`There is no space left for the data folder ${path}.`)
    throw error
  }
}
