/** One page of a listing, oldest first. */
export interface Page {
  /** At most 100. */
  readonly limit: number
  /** Where the previous page ended. */
  readonly after: Position | undefined
}

/** A place in a listing ordered by creation. */
export interface Position {
  readonly createdAt: number
  readonly id: string
}

/** The opaque cursor of a position. */
function encodeCursor(position: Position): string {
  return Buffer.from(JSON.stringify([position.createdAt, position.id])).toString('base64url')
}

/** The position of a cursor, `undefined` when it is not one of ours. */
export function decodeCursor(cursor: string): Position | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    if (!Array.isArray(parsed) || parsed.length !== 2) return undefined
    const [createdAt, id] = parsed
    return Number.isSafeInteger(createdAt) && typeof id === 'string' ? { createdAt, id } : undefined
  } catch {
    return undefined
  }
}

/** Cuts the extra row that was read to learn whether there is another page. */
export function cutPage<Row extends { readonly created_at: number; readonly id: string }>(
  rows: readonly Row[],
  page: Page,
): { readonly rows: readonly Row[]; readonly cursor: string | null } {
  const cut = rows.slice(0, page.limit)
  const last = cut.at(-1)
  const more = rows.length > page.limit && last !== undefined
  return { rows: cut, cursor: more ? encodeCursor({ createdAt: last.created_at, id: last.id }) : null }
}
