import type { Kysely } from 'kysely'
import { noteUse } from '../store/grant-lease.ts'
import type { GrantRow, Schema } from '../store/schema.ts'

/** Which grants' present tokens were asked for, until that is written down. */
export interface GrantsInUse {
  /** Notes it, if it is not known to be noted for this token already. No I/O. */
  note(row: Pick<GrantRow, 'id' | 'last_used_at' | 'obtained_at'>): void
  /** Writes down what was noted. */
  flush(now: number): Promise<void>
}

/** A lost note costs one refresh in the foreground; a write for every request would cost each of them a round trip. */
export function createGrantsInUse(db: Kysely<Schema>): GrantsInUse {
  let noted = new Set<string>()
  return {
    note(row) {
      if (row.last_used_at === null || row.last_used_at <= row.obtained_at) noted.add(row.id)
    },
    async flush(now) {
      if (noted.size === 0) return
      const taken = noted
      noted = new Set()
      await noteUse(db, [...taken], now)
    },
  }
}
