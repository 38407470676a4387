/** Deeper than any request has a reason to be. */
const maxDepth = 32

/**
 * Says why a parsed JSON value can't be taken as plain data; `undefined` when it can.
 *
 * A member named `__proto__` is dropped by some of what reads it later, and a request that loses a member asks for
 * more than was written. U+0000 and half a surrogate pair can't be stored or put into canonical form.
 * It keeps a stack of its own: nesting must not end the process.
 */
export function whyNotPlain(value: unknown): string | undefined {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: current, depth } = next
    if (typeof current === 'string') {
      if (!isPlainText(current)) return 'holds text with U+0000 or half a surrogate pair'
      continue
    }
    if (typeof current !== 'object' || current === null) continue
    if (depth >= maxDepth) return `is nested deeper than ${maxDepth} levels`
    for (const [name, member] of Object.entries(current)) {
      if (name === '__proto__') return 'has a member named "__proto__"'
      if (!isPlainText(name)) return 'holds text with U+0000 or half a surrogate pair'
      open.push({ value: member, depth: depth + 1 })
    }
  }
  return undefined
}

function isPlainText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
