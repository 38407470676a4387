import { KeyRingMismatch } from '../secrets/canary.ts'
import { KeyRingInvalid } from '../secrets/key-ring.ts'
import { FolderInUse, FolderUnusable } from '../store/data-folder.ts'
import { DatabaseUnreachable } from '../store/database-unreachable.ts'

/** A mistake of the person at the keyboard, or a condition of the host; the message is one sentence with the next step. */
export class HostError extends Error {
  override readonly name = 'HostError'
  /** `misuse`: the command line or the environment is wrong. `failed`: it could not be done. */
  readonly kind: 'misuse' | 'failed'
  /** Set where a command adds its own next step. */
  readonly code: 'EADDRINUSE' | undefined
  constructor(kind: 'misuse' | 'failed', message: string, code?: 'EADDRINUSE') {
    super(message)
    this.kind = kind
    this.code = code
  }
}

/** Names what a person can mend; anything else is a defect and keeps its own class and stack. */
export function toHostError(error: unknown): unknown {
  if (error instanceof KeyRingInvalid) return new HostError('misuse', error.message)
  const mendable =
    error instanceof KeyRingMismatch ||
    error instanceof FolderInUse ||
    error instanceof FolderUnusable ||
    error instanceof DatabaseUnreachable
  return mendable ? new HostError('failed', error.message) : error
}
