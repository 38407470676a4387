import type { AuthorizationDetail } from '@valetkey/protocol'
import { type HeldDetail, InvalidSettings } from '../../driver.ts'
import { quoted } from '../../refusal.ts'

/** The same value with the members of every object in one order. @throws {InvalidSettings} for one nested too deep. */
export function canonical(value: unknown, depth = 0): unknown {
  if (depth > 10) throw new InvalidSettings('authorizationDetails are nested too deep')
  if (Array.isArray(value)) return value.map((each) => canonical(each, depth + 1))
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return Object.fromEntries(members.map(([name, each]) => [name, canonical(each, depth + 1)]))
}

/** A detail of a type that only the provider knows, with its members in one order. */
export function normalizeAnyDetail(detail: AuthorizationDetail): AuthorizationDetail {
  return { ...(canonical(detail) as AuthorizationDetail), type: detail.type }
}

/**
 * Holds a detail of an unknown type against the ceiling: a list may be shorter, anything else must be the same.
 *
 * A field the ceiling does not name exceeds it: it may widen as well as narrow, and nobody here can tell.
 */
export function holdAnyDetail(wanted: AuthorizationDetail, ceiling: AuthorizationDetail): HeldDetail {
  for (const [name, value] of Object.entries(wanted))
    if (!Object.hasOwn(ceiling, name) || !isWithin(value, ceiling[name]))
      return { within: false, part: `${quoted(name)} of ${quoted(wanted.type)}` }
  return { within: true, detail: normalizeAnyDetail({ ...ceiling, ...wanted }) }
}

function isWithin(wanted: unknown, ceiling: unknown): boolean {
  if (!Array.isArray(wanted) || !Array.isArray(ceiling)) return same(wanted, ceiling)
  // An empty list may well mean "all" at the provider.
  return wanted.length > 0 && wanted.every((each) => ceiling.some((allowed) => same(each, allowed)))
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b))
}
