import { type Markup, markup } from './markup.ts'

/**
 * Text that somebody else chose, as people are to see it: what would be invisible, or would reorder the words around
 * it (controls, direction overrides and isolates, zero-width characters), is spelled out as `[U+202E]`.
 *
 * The two joiners stay: Persian and many Indian scripts are misspelled without them. Marks stacked beyond four on one
 * letter are dropped with a note, or they would cover the lines above.
 */
export function shown(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\t\r\n]+/g, ' ')
    .replace(/(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, spelled)
    .replace(/(\p{M}{4})\p{M}+/gu, '$1[…]')
}

function spelled(character: string): string {
  const point = character.codePointAt(0) ?? 0
  return `[U+${point.toString(16).toUpperCase().padStart(4, '0')}]`
}

/** Somebody else's text inside a sentence of ours. `bdi` keeps a right-to-left name from reordering the sentence. */
export function name(text: string): Markup {
  return markup`<bdi>${shown(text)}</bdi>`
}

/** The same, for what people compare letter by letter: ids, scopes, hosts. */
export function exact(text: string): Markup {
  return markup`<code translate="no">${name(text)}</code>`
}

/** A moment, in UTC: a page without scripts can't know the reader's own time zone. */
export function moment(atMs: number): Markup {
  const at = new Date(atMs)
  const iso = at.toISOString()
  const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(at)
  return markup`<time datetime="${iso}">${iso.slice(11, 16)} UTC on ${day}</time>`
}
