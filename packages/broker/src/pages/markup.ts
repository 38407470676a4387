import { html } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'

/** HTML that {@link markup} made: everything put into it was escaped. */
export type Markup = HtmlEscapedString

/** What may stand in a hole of {@link markup}. Text is escaped, `undefined` leaves nothing. */
export type Hole = string | Markup | readonly Markup[] | undefined

/** Tag of HTML templates: hono's, which escapes, narrowed to holes that are there at once. */
export function markup(strings: TemplateStringsArray, ...holes: Hole[]): Markup {
  const made = html(strings, ...holes)
  // Hono answers with a promise only where a hole held one, which the types rule out.
  if (made instanceof Promise) throw new TypeError('A page can only be made of text that is already there')
  return made
}
