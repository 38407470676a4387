/** True when a value from the network has the shape of `T`. Fields it does not name may be there too. */
export type Check<T> = (value: unknown) => value is T

/** Text. */
export const text: Check<string> = (value): value is string => typeof value === 'string'
/** A finite number. */
export const number: Check<number> = (value): value is number =>
  typeof value === 'number' && Number.isFinite(value)
/** True or false. */
export const flag: Check<boolean> = (value): value is boolean => typeof value === 'boolean'
/** Any object. */
export const anyObject: Check<Readonly<Record<string, unknown>>> = (
  value,
): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A list whose every item passes. */
export function list<T>(item: Check<T>): Check<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(item)
}

/** `null`, or what passes. */
export function nullable<T>(inner: Check<T>): Check<T | null> {
  return (value): value is T | null => value === null || inner(value)
}

/** An object in which every named field passes. */
export function object<T>(fields: { readonly [Name in keyof T]-?: Check<T[Name]> }): Check<T> {
  const entries = Object.entries<Check<unknown>>(fields)
  return (value): value is T => anyObject(value) && entries.every(([name, check]) => check(value[name]))
}
/** Nothing, `null`, or what passes. */
export function optional<T>(inner: Check<T>): Check<T | null | undefined> {
  return (value): value is T | null | undefined => value === undefined || value === null || inner(value)
}
