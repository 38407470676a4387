type Claims = Readonly<Record<string, unknown>>

/** Deeper than any platform nests its claims. */
const maxDepth = 6

/** What a token says under a claim's name. */
export type FoundClaim =
  | { readonly found: 'absent' }
  /** There, but no text: a list, an object, a number that JSON can't carry exactly. */
  | { readonly found: 'no-text' }
  | { readonly found: 'text'; readonly text: string }

/**
 * Finds a claim as text. A name that begins with `/` is a JSON Pointer (RFC 6901) into objects, for platforms that nest
 * the ids they assign: Kubernetes' `/kubernetes.io/serviceaccount/uid`. Every other name is that of a member of the token.
 *
 * Lists and objects have no text: `["main"]` is not `main`. Nor have numbers that JSON can't carry exactly, because two
 * different ids beyond 2^53 would become one. `null` is as good as absent.
 */
export function findClaim(claims: Claims, name: string): FoundClaim {
  const value = valueAt(claims, name)
  switch (typeof value) {
    case 'string':
      return { found: 'text', text: value }
    case 'boolean':
      return { found: 'text', text: String(value) }
    case 'number':
      return Number.isSafeInteger(value) ? { found: 'text', text: String(value) } : { found: 'no-text' }
    default:
      return { found: value === undefined || value === null ? 'absent' : 'no-text' }
  }
}

/** The value of a claim, or undefined. Only members of the token's own: `toString` is not a claim. */
export function valueAt(claims: Claims, name: string): unknown {
  let value: unknown = claims
  for (const member of pathOf(name)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (!Object.hasOwn(value, member)) return undefined
    value = Reflect.get(value, member)
  }
  return value
}

/** Whether a rule can name a claim so: a JSON Pointer must be spelled as one, and not be deep. */
export function isClaimName(name: string): boolean {
  if (!name.startsWith('/')) return true
  const parts = name.slice(1).split('/')
  // One spelling for each claim: "/sub" would be a second one of "sub".
  return parts.length > 1 && parts.length <= maxDepth && !/~(?![01])/.test(name)
}

/** Every claim that has text, nested ones by their pointer. */
export function* claimTexts(claims: Claims): Generator<readonly [name: string, text: string]> {
  yield* textsUnder(claims, claims, [])
}

function* textsUnder(
  claims: Claims,
  value: object,
  path: readonly string[],
): Generator<readonly [name: string, text: string]> {
  for (const [member, inner] of Object.entries(value)) {
    const here = [...path, member]
    const name = path.length === 0 ? member : pointer(here)
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) {
      if (here.length < maxDepth) yield* textsUnder(claims, inner, here)
      continue
    }
    const claim = findClaim(claims, name)
    if (claim.found === 'text') yield [name, claim.text]
  }
}

/** The members that a claim's name leads through. */
function pathOf(name: string): string[] {
  if (!name.startsWith('/')) return [name]
  const parts = name.slice(1).split('/')
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function pointer(path: readonly string[]): string {
  return path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The object that {@link claimTexts} tells the same names and texts of. */
export function nestClaims(texts: Readonly<Record<string, string>>): Record<string, unknown> {
  const root: Record<string, unknown> = Object.create(null)
  for (const [name, text] of Object.entries(texts)) {
    const path = pathOf(name)
    const last = path.pop() ?? ''
    let place = root
    for (const part of path) {
      const inner = place[part]
      const next = isObject(inner) ? inner : (Object.create(null) as Record<string, unknown>)
      place[part] = next
      place = next
    }
    place[last] = text
  }
  return root
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
