/** The parameters of an OAuth request, from a query or a form (RFC 6749 appendix B). */
export interface Parameters {
  /** The value of a parameter; undefined when it is absent or empty, which mean the same (RFC 6749 §3.1, §3.2). */
  get(name: string): string | undefined
  /** Every value of a parameter that may be repeated; empty ones are left out. */
  all(name: string): readonly string[]
  /** The first parameter that occurs more than once, other than these: two parsers would pick two values. */
  firstRepeated(mayRepeat?: readonly string[]): string | undefined
}

/** Parses a query or a form; undefined when it holds what no text can (U+0000). */
export function parseParameters(encoded: string): Parameters | undefined {
  const parsed = new URLSearchParams(encoded)
  const values = new Map<string, string[]>()
  for (const [name, value] of parsed) {
    if (name.includes('\0') || value.includes('\0')) return undefined
    values.set(name, [...(values.get(name) ?? []), value])
  }
  return {
    get: (name) => values.get(name)?.[0] || undefined,
    all: (name) => (values.get(name) ?? []).filter((value) => value !== ''),
    firstRepeated: (mayRepeat = []) =>
      [...values].find(([name, found]) => found.length > 1 && !mayRepeat.includes(name))?.[0],
  }
}
