import { maxRequestLength as maxJsonLength, mustBe, unknownKey } from './check-values.ts'

const maxDepth = 16

/** Counts down while one value is read, so that huge and cyclic ones stop early. */
interface Budget {
  left: number
}

// RFC 9396 section 2.2 defines these common fields of an authorization detail as sets of strings; the others are
// sets in `github_app_installation`. Everywhere else the order inside a detail may carry meaning and is kept.
const setFields: readonly string[] = [
  'actions',
  'datatypes',
  'locations',
  'permissions',
  'privileges',
  'repositories',
]

/**
 * `value` as JSON with the fields of every object in one order, which is both its cache key and its copy.
 *
 * Reads own enumerable fields only and each of them once, so that prototypes, getters and proxies change nothing
 * afterwards. `__proto__` is refused as a name: the receiver might assign it.
 *
 * @throws {ConnectError} `invalid_request` for what JSON cannot carry, and for more than 16 levels or 64 KiB.
 */
export function canonicalJson(value: unknown, name: string): string {
  return write(value, name, { left: maxJsonLength }, 0, false)
}

/** As {@link canonicalJson}, for an entry of `authorizationDetails`: an object with a `type`. */
export function canonicalDetail(value: unknown, name: string): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mustBe(name, 'an object')
  const json = write(value, name, { left: maxJsonLength }, 0, true)
  const type: unknown = JSON.parse(json).type
  if (typeof type !== 'string' || type.length === 0) throw mustBe(`${name}.type`, 'a non-empty string')
  return json
}

function write(value: unknown, name: string, budget: Budget, depth: number, isDetail: boolean): string {
  if (depth > maxDepth) throw mustBe(name, `at most ${maxDepth} levels deep`)
  switch (typeof value) {
    case 'string':
      return spend(value.length > budget.left ? value : JSON.stringify(value), name, budget)
    case 'number':
      if (!Number.isFinite(value)) break
      return spend(JSON.stringify(value), name, budget)
    case 'boolean':
      return spend(String(value), name, budget)
    case 'object':
      if (value === null) return spend('null', name, budget)
      spend('{}', name, budget)
      return Array.isArray(value)
        ? `[${writeItems(value, name, budget, depth).join(',')}]`
        : writeFields(value as Record<string, unknown>, name, budget, depth, isDetail)
    default:
  }
  throw notJson(name)
}

function writeItems(list: readonly unknown[], name: string, budget: Budget, depth: number): string[] {
  const length = list.length
  if (length > budget.left) throw tooLarge(name)
  const items: string[] = []
  for (let index = 0; index < length; index++) items.push(write(list[index], name, budget, depth + 1, false))
  return items
}

function writeFields(
  object: Record<string, unknown>,
  name: string,
  budget: Budget,
  depth: number,
  isDetail: boolean,
): string {
  const kind = Object.prototype.toString.call(object)
  // Dates, maps and the like have no own fields: they would silently become `{}`.
  if (kind !== '[object Object]') throw notJson(name)
  const keys = Object.keys(object)
  if (keys.length > budget.left) throw tooLarge(name)
  const fields: string[] = []
  for (const key of keys.sort()) {
    if (key === '__proto__') throw unknownKey(key, name)
    const value = object[key]
    if (value === undefined) continue
    const isSet = isDetail && Array.isArray(value) && setFields.includes(key)
    const json = isSet
      ? `[${[...new Set(writeItems(value, name, budget, depth + 1).sort())].join(',')}]`
      : write(value, name, budget, depth + 1, false)
    fields.push(`${spend(key.length > budget.left ? key : JSON.stringify(key), name, budget)}:${json}`)
  }
  return `{${fields.join(',')}}`
}

function spend(text: string, name: string, budget: Budget): string {
  budget.left -= text.length + 1
  if (budget.left < 0) throw tooLarge(name)
  return text
}

function notJson(name: string): Error {
  return mustBe(name, 'made of what JSON can carry')
}

function tooLarge(name: string): Error {
  return mustBe(name, 'at most 64 KiB of JSON')
}
