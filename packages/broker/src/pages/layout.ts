import { raw } from 'hono/html'
import { type Hole, type Markup, markup } from './markup.ts'
import { shown } from './shown.ts'
import { style } from './style.ts'

// `raw` because CSS is not HTML text: inside <style>, `&gt;` would stay as it is. It is a constant of ours.
const styleSheet = raw(style)

const mark = markup`<svg width="26" height="26" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false"><circle cx="7.5" cy="12" r="4.5"/><path d="M12 12h9.5M17.5 12v3.5M21 12v2.5"/></svg>`

/** A whole document around the content of its `main`. `head` adds what one page needs there. */
export function layout(page: {
  readonly title: string
  readonly head?: Hole
  readonly content: Hole
}): string {
  const document = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
${page.head}<title>${shown(page.title)} – Valetkey</title>
<style>${styleSheet}</style>
</head>
<body>
<header>${mark}<p translate="no">Valetkey</p></header>
<main>
${page.content}
</main>
</body>
</html>
`
  return document.toString()
}

/** Paragraphs people must not overlook: `note` to heed, `grave` where harm may follow. */
export function callout(weight: 'note' | 'grave', ...paragraphs: Markup[]): Markup {
  return markup`<div class="${weight}">${paragraphs.map((text) => markup`<p>${text}</p>`)}</div>`
}
