/**
 * Replaces the code block that follows `<!-- snippet: path.ts -->` (or `path.ts#region`) with that file, or with what
 * stands between `// #region name` and `// #endregion` in it. What a reader copies is then what the compiler checked.
 */
export function withSnippets(markdown: string, read: (path: string) => string, name: string): string {
  return markdown.replace(
    /(<!-- snippet: ([^\s#]+)(?:#(\S+))? -->\n```(\w+)\n)([\s\S]*?)(```)/g,
    (
      _all,
      head: string,
      path: string,
      region: string | undefined,
      _language: string,
      _old: string,
      fence: string,
    ) => {
      const source = read(path)
      const text = region === undefined ? source : regionOf(source, region, `${name}: ${path}`)
      return `${head}${text.trimEnd()}\n${fence}`
    },
  )
}

function regionOf(source: string, region: string, where: string): string {
  const lines = source.split('\n')
  const start = lines.findIndex((line) => line.trim() === `// #region ${region}`)
  const length = lines.slice(start + 1).findIndex((line) => line.trim() === '// #endregion')
  if (start === -1 || length === -1) throw new Error(`${where} has no region ${region}`)
  const body = lines.slice(start + 1, start + 1 + length)
  const indents = body
    .filter((line) => line.trim() !== '')
    .map((line) => line.length - line.trimStart().length)
  const indent = Math.min(...indents)
  return body.map((line) => line.slice(indent)).join('\n')
}
