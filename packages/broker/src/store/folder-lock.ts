import { randomBytes } from 'node:crypto'
import { link, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from './database-unreachable.ts'
import { type FolderOwner, ownerState, parseOwner, releasedText, thisOwner } from './folder-owner.ts'

/** A data folder that nobody else may open until it is released. */
export interface FolderLock {
  /** Lets the next process have the folder. Can be called twice. */
  release(): Promise<void>
}

/** A live process has the folder. The message names it and the next step. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
  readonly pid: number | undefined

  constructor(folder: string, owner: FolderOwner | undefined) {
    const by =
      owner === undefined
        ? 'another process'
        : `process ${owner.pid} on ${owner.host} (since ${new Date(owner.at).toISOString()})`
    super(`The data folder ${folder} is in use by ${by}: stop it, or choose another folder with --data-dir.`)
    this.pid = owner?.pid
  }
}

/** Times of the lock, in milliseconds; only tests change them. */
export interface FolderLockOptions {
  readonly now?: () => number
  /** How often the holder touches its file: 5 s. */
  readonly heartbeatMs?: number
  /** How long without a heartbeat until a holder that can't be looked up counts as gone: 30 s. */
  readonly staleMs?: number
  /** Called once if another process took the folder over: this one must not write any more. */
  readonly onLost?: () => void
}

/**
 * Takes `folder` for this process.
 *
 * Lock files are called `lock.<generation>`, and the highest one rules. Nobody ever deletes the highest (releasing
 * only marks it), so generations never start again and creating the next one, exclusively, decides between starters
 * that found the same stale file. A holder on this machine is looked up by pid and start time; any other is watched
 * until it beats or has been silent for 30 s.
 *
 * @throws {FolderInUse} when a live process has it
 */
export async function lockFolder(folder: string, options: FolderLockOptions = {}): Promise<FolderLock> {
  const { now = Date.now, heartbeatMs = 5_000, staleMs = 30_000, onLost } = options
  const fileOf = (generation: number) => join(folder, `lock.${generation}`)
  for (;;) {
    const highest = (await generations(folder)).at(-1) ?? 0
    if (highest > 0) {
      const state = await holderState(fileOf(highest), { now, heartbeatMs, staleMs })
      if (state === 'changed') continue
      if (state !== 'free') throw new FolderInUse(folder, state.owner)
    }
    const mine = highest + 1
    if (!(await createExclusively(folder, fileOf(mine), JSON.stringify(thisOwner(now()))))) continue
    const others = await generations(folder)
    // A starter that slept since it looked may have recreated a generation that was long superseded.
    if (others.some((generation) => generation > mine)) {
      await rm(fileOf(mine), { force: true })
      continue
    }
    for (const lower of others) if (lower < mine) await rm(fileOf(lower), { force: true })
    await removeLeftovers(folder, now() - 60_000)
    return hold(folder, mine, { heartbeatMs, now, ...(onLost && { onLost }) })
  }
}

async function generations(folder: string): Promise<number[]> {
  const names = await readdir(folder)
  return names
    .map((name) => /^lock\.([1-9]\d{0,14})$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
}

/** `changed`: look again. `free`: released, or its process is gone. */
async function holderState(
  file: string,
  times: { readonly now: () => number; readonly heartbeatMs: number; readonly staleMs: number },
): Promise<'free' | 'changed' | { readonly owner: FolderOwner | undefined }> {
  const began = times.now()
  const watched = times.heartbeatMs * 1.25
  let firstBeat: number | undefined
  for (;;) {
    let text: string
    let beat: number
    try {
      text = await readFile(file, 'utf8')
      beat = (await stat(file)).mtimeMs
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 'changed'
      throw error
    }
    const holder = parseOwner(text)
    if (holder === 'released') return 'free'
    const owner = holder === 'unreadable' ? undefined : holder
    const state = owner === undefined ? 'unknown' : ownerState(owner)
    if (state === 'gone') return 'free'
    firstBeat ??= beat
    if (state === 'live' || beat !== firstBeat) return { owner }
    const observed = times.now() - began
    // Its clock may be another machine's, and a laptop that just woke up has beaten long ago but beats again soon:
    // an old file alone proves nothing, so watch for more than one beat.
    const silent = observed >= watched && times.now() - beat >= times.staleMs
    if (silent || observed >= times.staleMs) return 'free'
    await sleep(times.heartbeatMs / 5)
  }
}

/** False when the file exists. The file appears whole, wherever the file system has hard links. */
async function createExclusively(folder: string, file: string, text: string): Promise<boolean> {
  const temporary = join(folder, `lock-${process.pid}-${randomBytes(6).toString('hex')}.tmp`)
  try {
    await writeFile(temporary, text, { flag: 'wx', mode: 0o600 })
    await link(temporary, file)
    return true
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EEXIST' || code === 'ENOENT') return false
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EOPNOTSUPP') throw error
  } finally {
    await rm(temporary, { force: true })
  }
  // No hard links here (FAT, some container mounts): who reads it half-written waits for its heartbeat.
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** What starters left behind that were killed between two steps. */
async function removeLeftovers(folder: string, before: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^lock-\d+-[0-9a-f]{12}\.tmp$/.test(name)) continue
    const file = join(folder, name)
    const modified = await stat(file).catch(() => undefined)
    if (modified !== undefined && modified.mtimeMs < before) await rm(file, { force: true })
  }
}

function hold(
  folder: string,
  generation: number,
  options: { readonly heartbeatMs: number; readonly now: () => number; readonly onLost?: () => void },
): FolderLock {
  const file = join(folder, `lock.${generation}`)
  let held = true
  async function superseded(): Promise<boolean> {
    return (await generations(folder)).some((other) => other > generation)
  }
  async function beat(): Promise<void> {
    const seconds = options.now() / 1_000
    // A beat that fails says nothing by itself: the disk may be full. Only a higher generation takes the folder.
    await utimes(file, seconds, seconds).catch(() => {})
    if (!held || !(await superseded()) || !held) return
    held = false
    clearInterval(timer)
    options.onLost?.()
  }
  const timer = setInterval(() => void beat().catch(() => {}), options.heartbeatMs)
  timer.unref()
  let releasing: Promise<void> | undefined
  async function release(): Promise<void> {
    clearInterval(timer)
    if (!held) return
    held = false
    if (await superseded()) return
    const temporary = join(folder, `lock-${process.pid}-${randomBytes(6).toString('hex')}.tmp`)
    await writeFile(temporary, releasedText, { flag: 'wx', mode: 0o600 })
    await rename(temporary, file)
  }
  return {
    release() {
      releasing ??= release()
      return releasing
    },
  }
}
