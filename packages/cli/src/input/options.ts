import { misuse } from '../failure.ts'

/** Parser of a flag that may be repeated. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value]
}

/** Parser of a flag that holds names separated by commas, and may be repeated. */
export function names(flag: string): (value: string, previous?: readonly string[]) => readonly string[] {
  return (value, previous) => [...(previous ?? []), ...filled(flag, value.split(/[,\s]+/))]
}

/** Parser of a flag that holds resource URIs: only a comma before another scheme separates, for URIs hold commas. */
export function uris(flag: string): (value: string, previous?: readonly string[]) => readonly string[] {
  return (value, previous) => [
    ...(previous ?? []),
    ...filled(flag, value.split(/\s+|,(?=[A-Za-z][A-Za-z0-9+.-]*:)/)),
  ]
}

function filled(flag: string, parts: readonly string[]): readonly string[] {
  const found = parts.filter((part) => part !== '')
  if (found.length === 0) throw misuse(`${flag} must not be empty`)
  return found
}

/** Parser of a flag that holds a whole number. */
export function wholeNumber(
  flag: string,
  limits: { readonly minimum: number; readonly maximum?: number },
): (value: string) => number {
  const { minimum, maximum = Number.MAX_SAFE_INTEGER } = limits
  return (value) => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (number >= minimum && number <= maximum) return number
    const range =
      maximum === Number.MAX_SAFE_INTEGER ? `at least ${minimum}` : `from ${minimum} to ${maximum}`
    throw misuse(`${flag} must be a whole number, ${range}`)
  }
}

/** Parser of a flag that takes one of a few words. The wrong word is not repeated: it may be a misplaced secret. */
export function oneOf<Word extends string>(flag: string, words: readonly Word[]): (value: string) => Word {
  return (value) => {
    const word = words.find((candidate) => candidate === value)
    if (word === undefined) throw misuse(`${flag} must be one of: ${words.join(', ')}`)
    return word
  }
}

/** Parser of a flag that holds a time: milliseconds since the epoch, or a date as in ISO 8601. */
export function time(flag: string): (value: string) => number {
  return (value) => {
    const atMs = /^\d{1,16}$/.test(value) ? Number(value) : Date.parse(value)
    if (!Number.isSafeInteger(atMs)) throw misuse(`${flag} must be a date such as 2026-11-21T19:50:00Z`)
    return atMs
  }
}

/** `name=value` pairs as an object; a repeated name means any of its values. */
export function claimsOf(
  pairs: readonly string[],
  flag = '--claim',
): Readonly<Record<string, string | readonly string[]>> {
  const claims = new Map<string, string[]>()
  for (const pair of pairs) {
    const separator = pair.indexOf('=')
    if (separator < 1 || separator === pair.length - 1)
      throw misuse(`${flag} must be name=value, for example ${flag} sub=repo:acme/app:ref:refs/heads/main`)
    const name = pair.slice(0, separator)
    claims.set(name, [...(claims.get(name) ?? []), pair.slice(separator + 1)])
  }
  return Object.fromEntries(
    [...claims].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  )
}

/** The fields of `fields` that were given. */
export function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
