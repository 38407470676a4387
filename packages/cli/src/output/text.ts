/** Replaces what a terminal would obey rather than show: control and invisible formatting characters. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD')
}

/** A value as one table cell or one word of a sentence. */
export function cell(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(', ')
  if (typeof value === 'object') return printable(JSON.stringify(value))
  return printable(String(value))
}

/** Milliseconds since the epoch as `2026-11-21 19:50:03Z`. */
export function instant(atMs: unknown): string {
  if (typeof atMs !== 'number' || !Number.isFinite(atMs) || Math.abs(atMs) > 8.64e15) return '-'
  return new Date(atMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}

/** `1 event`, `2 events`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`
}

/** Rows under their headers, columns aligned; every cell on one line. */
export function table(headers: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const lines = [headers, ...rows].map((row) => row.map(cell))
  const widths = headers.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
