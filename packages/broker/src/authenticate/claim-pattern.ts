const controlCharacter = /[\p{Cc}\u2028\u2029]/u
const separator = /([/:])/

/** Whether text holds a control character or a line separator. */
export function hasControlCharacter(text: string): boolean {
  return controlCharacter.test(text)
}

/**
 * Whether a claim's value is what a rule's pattern says: equal, or with `*` standing for any run of characters
 * other than `/`, `:` and control characters. Nothing else is special.
 *
 * No regular expression is built: octo-sts compiled `^pattern$`, where `main|dev` escapes the anchors, and a
 * hostile pattern could take exponential time. This takes linear time.
 */
export function matchesPattern(pattern: string, value: string): boolean {
  if (!pattern.includes('*')) return pattern === value
  // Patterns hold none (they are refused when written), so `*` would be what matched it.
  if (hasControlCharacter(value)) return false
  // As `*` never crosses a separator, both sides must have the same ones, with segments that match pairwise.
  const wanted = pattern.split(separator)
  const actual = value.split(separator)
  return wanted.length === actual.length && wanted.every((part, at) => matchesSegment(part, actual[at] ?? ''))
}

function matchesSegment(pattern: string, segment: string): boolean {
  const [prefix = '', ...rest] = pattern.split('*')
  const suffix = rest.pop()
  if (suffix === undefined) return pattern === segment
  if (segment.length < prefix.length + suffix.length) return false
  if (!segment.startsWith(prefix) || !segment.endsWith(suffix)) return false
  // Taking each literal where it first occurs leaves the most room for those after it.
  let from = prefix.length
  const end = segment.length - suffix.length
  for (const literal of rest) {
    const at = segment.indexOf(literal, from)
    if (at < 0 || at + literal.length > end) return false
    from = at + literal.length
  }
  return true
}

/** Whether a pattern says nothing about the value: only `*` and separators. */
export function matchesEverything(pattern: string): boolean {
  for (const character of pattern) {
    if (character !== '*' && character !== '/' && character !== ':') return false
  }
  return true
}
