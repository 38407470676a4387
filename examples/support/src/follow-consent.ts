/** What a person does with a page that offers a choice: the fields of the form they submit. */
export type Choose = (forms: readonly PageForm[]) => PageForm | undefined

/** A form of a page. */
export interface PageForm {
  readonly action: string
  readonly fields: Readonly<Record<string, string>>
}

/**
 * Goes where a browser would go from `url`, by `fetch` with cookies, until it is sent to `redirectUri`.
 *
 * @returns the whole address it was sent to, without opening it.
 */
export async function followConsent(
  url: string,
  redirectUri: string,
  choose: Choose = ([first]) => first,
): Promise<URL> {
  const cookies = new Map<string, string>()
  let next: { url: string; form?: PageForm; origin?: string } = { url }
  for (let step = 0; step < 10; step += 1) {
    if (next.url.startsWith(redirectUri)) return new URL(next.url)
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(next.url, {
      redirect: 'manual',
      // A form is sent from the page that shows it, and servers check that it is one of theirs.
      ...(next.form === undefined
        ? { headers: { cookie } }
        : {
            method: 'POST',
            headers: { cookie, origin: next.origin ?? 'null' },
            body: new URLSearchParams(next.form.fields),
          }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    const text = await response.text()
    const refresh = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(text)?.[1]
    const location =
      response.headers.get('location') ?? (refresh === undefined ? null : unescapeHtml(refresh))
    if (location !== null) {
      next = { url: new URL(location, next.url).href }
      continue
    }
    const form = choose(formsIn(text))
    if (form === undefined) throw new Error(`A page without a choice, status ${response.status}`)
    next = { url: new URL(form.action, next.url).href, form, origin: new URL(next.url).origin }
  }
  throw new Error('The consent did not come to an end')
}

function formsIn(html: string): readonly PageForm[] {
  return [...html.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)].map(
    ([, action = '', body = '']) => ({
      action: unescapeHtml(action),
      fields: Object.fromEntries(
        // The first button too: it is the one that Enter presses.
        [
          ...body.matchAll(/<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"/g),
          ...[...body.matchAll(/<button[^>]*name="([^"]*)"[^>]*value="([^"]*)"/g)].slice(0, 1),
        ].map(([, name = '', value = '']) => [unescapeHtml(name), unescapeHtml(value)]),
      ),
    }),
  )
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&#x27;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
