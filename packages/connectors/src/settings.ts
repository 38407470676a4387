import { z } from 'zod'
import { type ConnectorSettings, InvalidSettings, type JsonObject } from './driver.ts'

/**
 * What an operator entered, in the shape of `schema`.
 *
 * @throws {InvalidSettings} naming the first field that is wrong, never its value.
 */
export function parseFields<Shape extends z.ZodType>(schema: Shape, data: unknown): z.output<Shape> {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new InvalidSettings(issue === undefined ? 'The data is not valid' : describeIssue(issue))
}

/** The JSON Schema of what {@link parseFields} accepts. */
export function jsonSchemaOf(schema: z.ZodType): JsonObject {
  return z.toJSONSchema(schema, { io: 'input' })
}

/**
 * The fields of a connector with those of `data` in place of the stored ones.
 *
 * Only `fields` are carried over: facts learnt from the provider are not settings, and are learnt again.
 */
export function mergeFields(
  current: ConnectorSettings,
  data: unknown,
  fields: readonly string[],
): JsonObject {
  const given = parseFields(z.record(z.string(), z.unknown()), data)
  const stored = Object.entries({ ...current.configuration, ...current.secrets })
  return { ...Object.fromEntries(stored.filter(([name]) => fields.includes(name))), ...given }
}

/** Text that goes into a header or a signature: not empty, nothing invisible in it or around it. */
export function plainText(): z.ZodString {
  return z
    .string({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be text') })
    .min(1, 'must not be empty')
    .max(16_384, 'is too long')
    .regex(/^(?!\s)[^\p{Cc}]*(?<!\s)$/u, 'must not hold control characters, or begin or end with white space')
}

/** A name told by a provider that people will see: dropped rather than shown when it holds anything invisible. */
export function shownText(): z.ZodType<string | undefined> {
  return z
    .string()
    .max(255)
    .regex(/^[^\p{Cc}\p{Cf}]+$/u)
    .optional()
    .catch(undefined)
}

/**
 * An address of a provider, without the slash at its end.
 *
 * Where it may point is for the egress rules to say, at the moment of every call; here it only has to be one
 * that a path can be appended to and that hides no credential.
 */
export function address(): z.ZodPipe<z.ZodString, z.ZodTransform<string, string>> {
  return plainText().transform((text, context) => {
    const problem = addressProblem(text)
    if (problem === undefined) return new URL(text).href.replace(/\/+$/, '')
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
}

/** An endpoint of a provider: https, or http on loopback, where a development broker may go. */
export function endpoint(): z.ZodPipe<z.ZodString, z.ZodTransform<string, string>> {
  return plainText().transform((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url !== undefined && isSecure(url) && url.username === '' && url.password === '' && url.hash === '')
      return url.href
    context.addIssue({
      code: 'custom',
      message: 'must be an https URL (http on loopback only) without credentials or a fragment',
    })
    return z.NEVER
  })
}

/** True for https, and for http on loopback. */
export function isSecure(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}

/** True for the names and addresses of this machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

/**
 * Refuses an update that changes one of `places`, the fields that say where secrets are sent, unless every stored
 * secret that would go there is given again.
 *
 * Otherwise whoever may update a connector could have a secret they were never shown sent to a host of theirs.
 *
 * @throws {InvalidSettings} naming the secret and the place.
 */
export function requireSecretsAgain(
  current: ConnectorSettings,
  merged: ConnectorSettings,
  data: unknown,
  rule: { readonly places: readonly string[]; readonly secrets: readonly string[] },
): void {
  const { places, secrets } = rule
  const place = places.find(
    (name) => JSON.stringify(current.configuration[name]) !== JSON.stringify(merged.configuration[name]),
  )
  if (place === undefined) return
  const given = z.record(z.string(), z.unknown()).catch({}).parse(data)
  const missing = secrets.find(
    (name) => current.secrets[name] !== undefined && (given[name] === undefined || given[name] === ''),
  )
  if (missing !== undefined) throw new InvalidSettings(`${missing} is required again when ${place} changes`)
}

function addressProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return 'must be an http or https URL'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  if (/[?#]/.test(text)) return 'must not have a query or a fragment'
  if (url.hostname.includes('*')) return 'must name one host: wildcards are not supported'
  return undefined
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const field = issue.path.map(String).reduce((path, part) => {
    if (path === '') return part
    return /^\d+$/.test(part) ? `${path}[${part}]` : `${path}.${part}`
  }, '')
  if (issue.code === 'unrecognized_keys') {
    // A key can be a secret pasted into the wrong place: only what looks like a field's name is repeated.
    const name = issue.keys.find((key) => /^[A-Za-z_][A-Za-z0-9_-]{0,39}$/.test(key))
    const where = field === '' ? '' : ` in ${field}`
    return name === undefined ? `There is an unknown field${where}` : `Unknown field ${name}${where}`
  }
  if (field === '') return issue.code === 'custom' ? issue.message : 'The data must be a JSON object'
  return `${field} ${/^(is|must) /.test(issue.message) ? issue.message : 'is not valid'}`
}
