import { type CheckedOptions, checkCallOptions } from '../request/call-options.ts'
import { checkObject, unknownKey } from '../request/check-values.ts'
import { asInvalidRequest } from '../request/token-request.ts'

/** Some of the fields of an object, by name. */
export type Fields<Name extends string> = { [K in Name]?: unknown }

/** The own fields of `value`, each read once. One that is not among `names` is refused. */
export function readFields<Name extends string>(
  value: unknown,
  what: string,
  names: readonly Name[],
): Fields<Name> {
  try {
    const object = checkObject(value, what)
    const fields: Fields<Name> = {}
    for (const key of Object.keys(object)) {
      const name = names.find((known) => known === key)
      if (name === undefined) throw unknownKey(key, what)
      fields[name] = object[key]
    }
    return fields
  } catch (error) {
    throw asInvalidRequest(error, what)
  }
}

/** Options that are a call's own, by `names`, apart from those that every call takes. */
export function readOptions<Name extends string>(
  value: unknown,
  names: readonly Name[],
): { readonly own: Fields<Name>; readonly call: CheckedOptions } {
  if (value === undefined) return { own: {}, call: checkCallOptions(undefined) }
  try {
    const object = checkObject(value, 'options')
    const own: Fields<Name> = {}
    // Without a prototype, so that a field called `__proto__` is one like any other, and refused.
    const others: Record<string, unknown> = Object.create(null)
    for (const key of Object.keys(object)) {
      const name = names.find((known) => known === key)
      if (name === undefined) others[key] = object[key]
      else own[name] = object[key]
    }
    return { own, call: checkCallOptions(others) }
  } catch (error) {
    throw asInvalidRequest(error, 'options')
  }
}
