import { z } from 'zod'
import { InvalidSettings } from '../../driver.ts'
import { plainText } from '../../settings.ts'
import { ownParameterIn } from './own-parameters.ts'

/** Fields that more than one service's settings have, read the same everywhere. */

const scopePattern = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** A list of scopes, sorted, each named once. */
export function scopeList(): z.ZodType<string[], string[]> {
  return z
    .array(plainText().regex(scopePattern, 'must be a scope without white space'), {
      error: 'must be a list of scopes',
    })
    .max(500, 'must hold at most 500 scopes')
    .transform((list) => [...new Set(list)].sort())
}

/** Query parameters with one value each. */
export function parameterMap(): z.ZodType<Record<string, string>, Record<string, string>> {
  return z.record(
    z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/),
    z.string('must be text').max(2048, 'is too long'),
  )
}

/** Scopes in words, for the people who are asked for them. */
export function scopeWords(): z.ZodType<Record<string, string>, Record<string, string>> {
  return z
    .record(
      z.string().regex(scopePattern),
      plainText()
        .max(100, 'is too long')
        .regex(/^\P{Cf}*$/u, 'must not hold invisible characters'),
      { error: 'must be an object of scopes and words' },
    )
    .refine((titles) => Object.keys(titles).length <= 500, 'must name at most 500 scopes')
}

/** @throws {InvalidSettings} when an operator's parameters hold one of OAuth's own. */
export function refuseOwnParameters(
  field: string,
  params: Readonly<Record<string, string>> | undefined,
  scopeParameter?: string,
): void {
  const own = ownParameterIn(params ?? {}, {
    operator: true,
    ...(scopeParameter === undefined ? {} : { scopeParameter }),
  })
  if (own !== undefined) throw new InvalidSettings(`${field} must not hold ${own}: it is OAuth's own`)
}

/** The fields of settings that are secret, and the others. */
export function splitSecrets(
  data: Readonly<Record<string, unknown>>,
  secretFields: readonly string[],
): { readonly configuration: Record<string, unknown>; readonly secrets: Record<string, unknown> } {
  const given = Object.entries(data).filter(([, value]) => value !== undefined)
  const isSecret = ([name]: readonly [string, unknown]) => secretFields.includes(name)
  return {
    configuration: Object.fromEntries(given.filter((entry) => !isSecret(entry))),
    secrets: Object.fromEntries(given.filter(isSecret)),
  }
}

type Defined<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

/** The fields that are there, for a type whose optional fields are absent rather than `undefined`. */
export function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Defined<Fields>
}
