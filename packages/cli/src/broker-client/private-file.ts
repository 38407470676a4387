import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../failure.ts'

/** What lies at a path: nothing, a file that may be trusted, or one that may not. */
export type PrivateFile =
  | { readonly state: 'absent' }
  | { readonly state: 'untrusted'; readonly reason: string }
  | { readonly state: 'read'; readonly text: string; readonly inode: string }

const maximumBytes = 65_536

/**
 * Reads a file only if nobody else can have planted it or read it: the user's own, mode 0600, not a symlink.
 *
 * The same file is checked and read: it is opened first and looked at through the handle. Where files have no
 * owner (`userId` undefined, Windows) only the symlink rule is left.
 */
export async function readPrivateFile(path: string, userId: number | undefined): Promise<PrivateFile> {
  // O_NONBLOCK: opening a planted named pipe would otherwise wait for ever.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  const handle = await open(path, flags).catch((error: unknown) => systemCode(error) ?? 'unknown reason')
  if (typeof handle === 'string') {
    if (handle === 'ENOENT' || handle === 'ENOTDIR') return { state: 'absent' }
    if (handle === 'ELOOP' || handle === 'EMLINK') return { state: 'untrusted', reason: 'it is a symlink' }
    return { state: 'untrusted', reason: `it cannot be read (${handle})` }
  }
  try {
    const found = await handle.stat({ bigint: true })
    if (!found.isFile()) return { state: 'untrusted', reason: 'it is not a file' }
    if (userId !== undefined) {
      if (found.uid !== BigInt(userId)) return { state: 'untrusted', reason: 'it belongs to another user' }
      const mode = Number(found.mode) & 0o777
      if (mode !== 0o600)
        return {
          state: 'untrusted',
          reason: `its mode is ${mode.toString(8).padStart(4, '0')} and must be 0600`,
        }
    }
    if (found.size > BigInt(maximumBytes)) return { state: 'untrusted', reason: 'it is too large' }
    return { state: 'read', text: await handle.readFile('utf8'), inode: String(found.ino) }
  } finally {
    await handle.close()
  }
}

/** Why the folder itself can't be trusted: a cloned repository can hold a symlink in its place. */
export async function folderProblem(path: string, userId: number | undefined): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return undefined
  if (found.isSymbolicLink()) return 'it is a symlink'
  if (userId !== undefined && found.uid !== userId) return 'it belongs to another user'
  return undefined
}

/**
 * Writes a file of mode 0600 in one step: readers see the old content or the new, never a part.
 *
 * `content` may depend on the inode that the file will have.
 */
export async function writePrivateFile(
  path: string,
  content: Uint8Array | ((inode: string) => string),
): Promise<void> {
  const draft = join(dirname(path), `.${randomBytes(9).toString('hex')}.tmp`)
  try {
    const handle = await open(draft, 'wx', 0o600)
    try {
      // The umask may have taken bits away from the mode given to open.
      await handle.chmod(0o600)
      const { ino } = await handle.stat({ bigint: true })
      await handle.writeFile(typeof content === 'function' ? content(String(ino)) : content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** Creates the data folder, closed to others, with a `.gitignore` that keeps all of it out of git. */
export async function createDataFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await writeFile(join(path, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw error
  })
}
