import { layout } from './layout.ts'
import { markup } from './markup.ts'
import { exact, name } from './shown.ts'

/**
 * The page that leads to another origin, by itself and by a link.
 *
 * It answers forms in place of a redirect, which `form-action 'self'` would stop at the other origin.
 *
 * @throws {TypeError} when `url` is not an http(s) URL.
 */
export function leavingPage(view: { readonly url: string; readonly service: string }): string {
  // Not `new URL`: its error carries the URL, and with it the state of the request.
  const url = URL.canParse(view.url) ? new URL(view.url) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new TypeError('url: a page can only lead to an http(s) URL')
  }
  // As it came, not as a parser writes it: providers and apps compare their URLs byte for byte.
  return layout({
    title: `Continue to ${view.service}`,
    head: markup`<meta http-equiv="refresh" content="0;url=${view.url}">
`,
    content: markup`<h1>Taking you to ${name(view.service)}</h1>
<p class="lead">You are leaving for ${exact(url.host)}. If nothing happens, continue by yourself.</p>
<p class="choices"><a class="button primary" href="${view.url}"><span>Continue to ${name(view.service)}</span></a></p>`,
  })
}
