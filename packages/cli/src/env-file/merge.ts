/**
 * Returns a `.env` file with `values` set; every line that sets another name is kept byte for byte.
 *
 * The first line of a name is replaced where it stands, later ones are dropped (they would win over it), and missing
 * names are appended with the line end the file uses.
 */
export function mergeEnvironmentFile(
  content: Uint8Array,
  values: Readonly<Record<string, string>>,
): Uint8Array {
  // latin1 maps every byte to one character and back: bytes that are not UTF-8 survive too.
  const text = Buffer.from(content).toString('latin1')
  const lineEnd = /\r\n|\n/.exec(text)?.[0] ?? '\n'
  const missing = new Set(Object.keys(values))

  const kept = (text.match(/[^\n]*\n|[^\n]+$/g) ?? []).flatMap((line) => {
    const name = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=/.exec(line)?.[1]
    const value = name === undefined || !Object.hasOwn(values, name) ? undefined : values[name]
    if (name === undefined || value === undefined) return [line]
    if (!missing.delete(name)) return []
    return [`${name}=${value}${/\r?\n$/.exec(line)?.[0] ?? ''}`]
  })

  const body = kept.join('')
  const joint = body === '' || body.endsWith('\n') || missing.size === 0 ? '' : lineEnd
  const added = [...missing].map((name) => `${name}=${values[name] ?? ''}${lineEnd}`).join('')
  return Buffer.from(`${body}${joint}${added}`, 'latin1')
}

/** The values of `names` in a `.env` file, as a program that loads it would see them: the last one wins. */
export function readEnvironmentFile(
  text: string,
  names: readonly string[],
): Readonly<Record<string, string>> {
  const found = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const match = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*?)[ \t]*$/.exec(line)
    const [, name, value] = match ?? []
    if (name !== undefined && value !== undefined && names.includes(name))
      found.set(name, value.replace(/^(["'])(.*)\1$/, '$2'))
  }
  return Object.fromEntries(found)
}
