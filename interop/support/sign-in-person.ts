/** A page as a person sees it. */
export interface Page {
  readonly url: URL
  readonly status: number
  readonly html: string
}

/** How a person signs in, and where they stop. */
export interface Way {
  /** As whom, at the provider. */
  readonly login: string
  /** What they press on the broker's consent page. */
  readonly action?: 'continue' | 'cancel'
  /** Addresses that begin with this are not opened. */
  readonly before?: string
}

/** A person with a browser made of `fetch` and cookies: as in real ones, a cookie belongs to a host, whatever the port. */
export interface BrowsingPerson {
  /** Opens a page, and wherever it leads to without being asked. */
  open(url: string | URL, form?: Readonly<Record<string, string>>, before?: string): Promise<Page>
  /** Opens a page with a way to sign in, and goes it to its end. */
  signIn(url: string, way: Way): Promise<Page>
  /** What a page's own script asks of its server. */
  send(url: string, body: object): Promise<Response>
  /** The `cookie` header for an address. */
  cookies(url: string | URL): string
}

/** Somebody who has been nowhere yet. */
export function createPerson(): BrowsingPerson {
  const jars = new Map<string, Map<string, string>>()
  const jarOf = (url: URL) => {
    const jar = jars.get(url.hostname) ?? new Map<string, string>()
    jars.set(url.hostname, jar)
    return jar
  }
  const cookies = (url: string | URL) => [...jarOf(new URL(url))].map((pair) => pair.join('=')).join('; ')

  async function ask(url: URL, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('cookie', cookies(url))
    if (init.method === 'POST') headers.set('origin', url.origin)
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      if (/;\s*max-age=0/i.test(line) || value === '') jarOf(url).delete(name)
      else jarOf(url).set(name, value)
    }
    return response
  }

  async function open(
    start: string | URL,
    form?: Readonly<Record<string, string>>,
    before?: string,
  ): Promise<Page> {
    let url = new URL(start)
    let sent = form
    for (let step = 0; step < 12; step += 1) {
      if (before !== undefined && url.href.startsWith(before)) return { url, status: 0, html: '' }
      const response = await ask(url, {
        headers: { 'sec-fetch-mode': 'navigate' },
        ...(sent === undefined ? {} : { method: 'POST', body: new URLSearchParams(sent) }),
      })
      sent = undefined
      const html = await response.text()
      const next =
        response.headers.get('location') ?? /http-equiv="refresh" content="0;url=([^"]+)"/.exec(html)?.[1]
      if (next === undefined) return { url, status: response.status, html }
      url = new URL(unescaped(next), url)
    }
    throw new Error('One page led to another without end')
  }

  return {
    open,
    cookies,
    send: (url, body) =>
      ask(new URL(url), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    async signIn(start, { login, action = 'continue', before }) {
      let page = await open(start)
      for (let step = 0; step < 6; step += 1) {
        const form = /<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/.exec(page.html)
        const back = step > 1 && page.url.origin === new URL(start).origin
        if (form === null || back) return page
        const [, target = '', body = ''] = form
        const fields = [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
          ([, name = '', value = '']) => [unescaped(name), unescaped(value)],
        )
        const pressed = Object.entries({ login, action }).filter(
          ([name]) => body.includes(`<button`) && body.includes(`name="${name}"`),
        )
        page = await open(
          new URL(unescaped(target), page.url),
          Object.fromEntries([...fields, ...pressed]),
          before,
        )
        if (page.status === 0) return page
      }
      throw new Error('The sign-in did not come to an end')
    },
  }
}

function unescaped(html: string): string {
  return html.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&')
}
