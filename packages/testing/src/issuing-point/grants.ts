import type { Subject } from '@valetkey/protocol'
import { subjectKey } from './canonical.ts'
import type { MockConsent } from './types.ts'

/** Which users have agreed to what. */
export interface Grants {
  add(connector: string, subject: Subject): void
  /** Ends that of one user, or of all. */
  end(connector: string, subject: Subject | undefined): void
  has(connector: string, subject: Subject): boolean
}

/** @param first what users have said before anybody asked them. */
export function createGrants(first: (connector: string) => MockConsent): Grants {
  const added = new Map<string, boolean>()
  // Whose users have all to be asked again, whatever they had said at first.
  const ended = new Set<string>()
  const keyOf = (connector: string, subject: Subject) => JSON.stringify([connector, subjectKey(subject)])
  return {
    add: (connector, subject) => void added.set(keyOf(connector, subject), true),
    end(connector, subject) {
      if (subject !== undefined) return void added.set(keyOf(connector, subject), false)
      ended.add(connector)
      for (const key of added.keys()) if (JSON.parse(key)[0] === connector) added.delete(key)
    },
    has: (connector, subject) =>
      added.get(keyOf(connector, subject)) ?? (first(connector) === 'granted' && !ended.has(connector)),
  }
}
