import { randomBytes } from 'node:crypto'

/** Prefixes of everything that has an id; they never change meaning. */
export type IdPrefix = 'prj' | 'trr' | 'scl' | 'att' | 'stk' | 'req' | 'grt' | 'ask' | 'whd'

/** A new unguessable id: prefix, underscore, 120 random bits. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${randomBytes(15).toString('base64url')}`
}
