import { type ConnectError, invalidRequest } from '../errors/connect-error.ts'

/** The longest id, scope or name that is accepted, in UTF-16 units. */
export const maxIdLength = 2048
/** The longest credential that is accepted (what a broker reads). */
export const maxCredentialLength = 16_384
/** The most entries a list may have. */
const maxListLength = 1000
/** The most a whole request may come to: what a broker reads. */
export const maxRequestLength = 65_536

/** The error for a value of the wrong kind. It names what was given, and not its value. */
export function mustBe(name: string, what: string): ConnectError {
  return invalidRequest(`${name} must be ${what}`)
}

/** `value` as an id: a string that is neither empty nor oversized. */
export function checkId(value: unknown, name: string, maxLength: number = maxIdLength): string {
  if (typeof value !== 'string' || value.length === 0) throw mustBe(name, 'a non-empty string')
  if (value.length > maxLength) throw mustBe(name, `at most ${maxLength} characters long`)
  return value
}

/** `value`, checked unless it is undefined. */
export function optional<Checked>(
  value: unknown,
  check: (value: unknown, name: string) => Checked,
  name: string,
): Checked | undefined {
  return value === undefined ? undefined : check(value, name)
}

/** `value` as a function. */
export function checkFunction<Wanted>(value: unknown, name: string): Wanted {
  if (typeof value !== 'function') throw mustBe(name, 'a function')
  return value as Wanted
}

/** `value` as an object whose own keys may be read. Arrays and functions are not. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mustBe(name, 'an object')
  return value as Record<string, unknown>
}

/** The error for a key nobody reads. It names the key, whose length is the caller's choice, and not its value. */
export function unknownKey(key: string, where: string): Error {
  return invalidRequest(`Unknown key ${JSON.stringify(key.slice(0, 64))} in ${where}`)
}

/** A copy of a list of strings, without repetitions, in the caller's order. Every element is read once. */
export function checkStrings(value: unknown, name: string): string[] {
  const length = checkListLength(value, name)
  const list = value as unknown[]
  const copy: string[] = []
  for (let index = 0; index < length; index++) {
    const item = list[index]
    if (typeof item !== 'string' || item.length === 0 || item.length > maxIdLength)
      checkId(item, `${name}[${index}]`)
    else if (!copy.includes(item)) copy.push(item)
  }
  return copy
}

/** The length of a list that is neither empty nor oversized. `[]` is an error: it reads as "nothing" to some, as "all" to others. */
export function checkListLength(value: unknown, name: string): number {
  if (!Array.isArray(value)) throw mustBe(name, 'an array')
  const length = value.length
  if (length === 0) throw invalidRequest(`${name} must not be empty: leave it out to take the default`)
  if (length > maxListLength) throw mustBe(name, `at most ${maxListLength} entries long`)
  return length
}

/** The list in one order, whatever the caller's. The lists of most calls have one or two entries. */
export function sorted(list: readonly string[]): readonly string[] {
  if (list.length < 2) return list
  if (list.length === 2) {
    const [first, second] = list as readonly [string, string]
    return first < second ? list : [second, first]
  }
  return [...list].sort()
}
