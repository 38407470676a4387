import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { z } from 'zod'

/** Who holds a data folder, as its lock file says. */
export interface FolderOwner {
  readonly pid: number
  /** When the process started, as its system counts it; null where the system does not say. */
  readonly startedAt: string | null
  /** Where `pid` means something: one boot of one machine and one pid namespace. */
  readonly machine: string
  readonly host: string
  /** When the folder was taken, in milliseconds. */
  readonly at: number
}

const ownerShape = z.object({
  pid: z.number().int().positive(),
  startedAt: z.string().nullable(),
  machine: z.string(),
  host: z.string(),
  at: z.number(),
})
const releasedShape = z.object({ released: z.literal(true) })

/** What a released lock file holds. */
export const releasedText: string = JSON.stringify({ released: true })

/** Reads a lock file's text; `unreadable` where a file system without hard links shows a half-written one. */
export function parseOwner(text: string): FolderOwner | 'released' | 'unreadable' {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'unreadable'
  }
  if (releasedShape.safeParse(value).success) return 'released'
  const owner = ownerShape.safeParse(value)
  return owner.success ? owner.data : 'unreadable'
}

/** This process as an owner. */
export function thisOwner(now: number): FolderOwner {
  const start = processStart(process.pid)
  return {
    pid: process.pid,
    startedAt: typeof start === 'object' ? start.startedAt : null,
    machine: thisMachine(),
    host: hostname(),
    at: now,
  }
}

/**
 * Whether the owner still runs. `unknown` when its pid means nothing here (another machine or container on a shared
 * folder) or the system doesn't tell a reused pid from the same process: then only its heartbeat can say.
 */
export function ownerState(owner: FolderOwner): 'live' | 'gone' | 'unknown' {
  if (owner.machine !== thisMachine()) return 'unknown'
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return 'gone'
    // EPERM: it runs, as somebody else.
  }
  const start = processStart(owner.pid)
  if (start === 'gone') return 'gone'
  if (start === 'unknown' || owner.startedAt === null) return 'unknown'
  return start.startedAt === owner.startedAt ? 'live' : 'gone'
}

function tryRead(read: () => string): string | undefined {
  try {
    return read().trim()
  } catch {
    return undefined
  }
}

let machine: string | undefined

function thisMachine(): string {
  if (machine !== undefined) return machine
  const boot = tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))
  const namespace = tryRead(() => readlinkSync('/proc/self/ns/pid'))
  // Not the host name where there is better: a laptop changes it with the network.
  machine = boot !== undefined && namespace !== undefined ? `${boot}/${namespace}` : hostname()
  return machine
}

/** Field 22 of /proc/<pid>/stat: clock ticks between boot and the start of the process. */
function processStart(pid: number): { readonly startedAt: string } | 'gone' | 'unknown' {
  const stat = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  if (stat === undefined) return 'unknown'
  // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  // A killed process stays as a zombie until its parent asks; it holds nothing any more.
  if (state === 'Z' || state === 'X') return 'gone'
  const startedAt = fields[19]
  return startedAt === undefined ? 'unknown' : { startedAt }
}
