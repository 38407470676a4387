import type { TestBroker } from './broker.ts'

/** What a browser was shown, or where it was sent. */
export interface Shown {
  readonly status: number
  readonly html: string
  readonly headers: Headers
  /** Where a redirect or a page that leads away goes. */
  readonly to: string | undefined
  /** What the last page shows to be typed back where it began. */
  readonly code: string | undefined
}

/**
 * A person's browser: it keeps the broker's cookies, sends what browsers send, and follows nothing by itself but
 * the way from a callback to the page that says what came of it.
 */
export interface TestBrowser {
  /** By name. */
  readonly cookies: Map<string, string>
  /** Opens an address, as by a link or by being sent there. */
  open(url: string): Promise<Shown>
  /** Opens a page and sends its form with these fields; `headers` in place of what a browser would say. */
  submit(
    url: string,
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Shown>
  /** Opens the page of a request and continues: the address at the provider. */
  leave(url: string): Promise<string>
}

/** Opens a browser of its own, with nothing in it. */
export function createBrowser(broker: Pick<TestBroker, 'url' | 'fetch'>): TestBrowser {
  const cookies = new Map<string, string>()

  async function send(url: string, init: RequestInit): Promise<Shown> {
    const target = new URL(url, broker.url)
    if (target.origin !== new URL(broker.url).origin) throw new Error(`Not the broker's: ${target.origin}`)
    const headers = new Headers(init.headers)
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    if (cookie !== '' && !headers.has('cookie')) headers.set('cookie', cookie)
    const response = await broker.fetch(new Request(target, { ...init, headers, redirect: 'manual' }))
    for (const line of response.headers.getSetCookie()) keep(line)
    const html = await response.text()
    const refresh = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(html)?.[1]
    return {
      status: response.status,
      html,
      headers: response.headers,
      to: response.headers.get('location') ?? refresh?.replaceAll('&amp;', '&'),
      code: /class="code"[^>]*>([^<]*)</.exec(html)?.[1],
    }
  }

  function keep(line: string): void {
    const [pair = ''] = line.split(';')
    const name = pair.slice(0, pair.indexOf('='))
    // What a browser demands of the prefix, and what keeps scripts and other sites away from the cookie.
    const attributes = line.toLowerCase()
    const wanted = ['path=/', 'httponly', 'samesite=lax', ...(name.startsWith('__Host-') ? ['secure'] : [])]
    for (const attribute of wanted)
      if (!attributes.includes(`; ${attribute}`)) throw new Error(`A cookie without ${attribute}`)
    if (attributes.includes('; domain=')) throw new Error('A cookie for other hosts')
    cookies.set(name, pair.slice(pair.indexOf('=') + 1))
  }

  const browser: TestBrowser = {
    cookies,
    async open(url) {
      const shown = await send(url, {
        headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site', accept: 'text/html' },
      })
      return /^\/consent\/[^/]+\/done$/.test(shown.to ?? '') ? browser.open(shown.to ?? '') : shown
    },
    async submit(url, fields, headers = {}) {
      const { html } = await browser.open(url)
      const token = /name="token" value="([^"]*)"/.exec(html)?.[1] ?? ''
      return send(url, {
        method: 'POST',
        headers: {
          origin: new URL(broker.url).origin,
          'sec-fetch-mode': 'navigate',
          'sec-fetch-site': 'same-origin',
          'content-type': 'application/x-www-form-urlencoded',
          ...headers,
        },
        body: new URLSearchParams({ token, ...fields }).toString(),
      })
    },
    async leave(url) {
      const left = await browser.submit(url, { action: 'continue' })
      if (left.to === undefined)
        throw new Error(`The page did not lead to the provider: status ${left.status}`)
      return left.to
    },
  }
  return browser
}
