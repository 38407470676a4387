import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type ConsentView,
  consentPage,
  devicePage,
  donePage,
  failedPage,
  leavingPage,
  pageHeaders,
} from '../packages/broker/src/pages/index.ts'
import { browserMissing, launchChromium } from './support/chromium.ts'
import { type PageServer, startPageServer } from './support/page-server.ts'

const view: ConsentView = {
  project: 'support-agent',
  environment: 'production',
  connector: 'github/support',
  service: 'GitHub',
  kind: 'authorize',
  onBehalfOf: { id: 'user_42', issuer: 'https://app.example.com' },
  scopes: [{ name: 'repo', title: 'Read and change code in your repositories' }, { name: 'workflow' }],
  identity: [],
  audience: ['https://api.example.com'],
  resources: ['acme/website'],
  details: ['contents: read'],
  next: 'return',
  returnHost: 'app.example.com',
  bindsOnConsent: true,
  expiresAt: Date.UTC(2026, 10, 21, 9, 5),
  action: '/consent/1',
  token: 'form-token',
}
const long = 'n'.repeat(200)
const tooLong: ConsentView = {
  ...view,
  project: long,
  environment: long,
  connector: long,
  service: long,
  onBehalfOf: { id: long, issuer: long },
  scopes: [{ name: long, title: long }, { name: long }],
  identity: [],
  audience: [long],
  resources: [long],
  details: [long],
  returnHost: long,
}

/** Each page, the leaving page held back from leaving. */
const pages: Readonly<Record<string, string>> = {
  consent: consentPage(view),
  'consent, with nothing but long names': consentPage(tooLong),
  sign_in: consentPage({ ...view, kind: 'sign_in', scopes: [] }),
  device: devicePage({ action: '/device', token: 'form-token' }),
  'device, after an unknown code': devicePage({ action: '/device', token: 'form-token', fault: 'unknown' }),
  'done, with a code': donePage({ service: 'GitHub', kind: 'authorize', code: 'WXYZ-1234', expiresAt: 0 }),
  'done, with a long code': donePage({ service: long, kind: 'install', code: 'WXYZ-1234-ABCD-5678' }),
  done: donePage({ service: 'GitHub', kind: 'install' }),
  leaving: leavingPage({ url: `https://${long.slice(0, 60)}.example/${long}`, service: long }).replace(
    /<meta http-equiv="refresh"[^>]*>/,
    '',
  ),
  failed: failedPage({ title: long, message: `<script>alert(1)</script> ${long}`, requestId: long }),
}
const eachPage = Object.entries(pages)

const answer = (body: string) => ({ headers: pageHeaders(), body })
const plain = { 'content-type': 'text/html; charset=utf-8' }

/** The lowest contrast of any text of the page with what is behind it, and which text that is. */
const measureContrast = `(() => {
  const channels = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor)
      if (color.length === 3 || color[3] === 1) return color
    }
    return [255, 255, 255]
  }
  const found = []
  for (const element of document.body.querySelectorAll('*')) {
    const hasText = element.tagName === 'INPUT' ||
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
    if (!hasText || element.type === 'hidden') continue
    const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))]
    found.push({ ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text: element.outerHTML.slice(0, 80) })
  }
  return found.sort((one, other) => one.ratio - other.ratio)[0]
})()`

describe.skipIf(browserMissing !== undefined)(
  `the pages of consent in Chromium${browserMissing === undefined ? '' : ` (${browserMissing})`}`,
  () => {
    let browser: Browser
    let broker: PageServer
    let provider: PageServer
    beforeAll(async () => {
      browser = await launchChromium()
      // Two names of loopback are two sites, as a broker and a provider are.
      broker = await startPageServer('127.0.0.1')
      provider = await startPageServer('localhost')
      provider.show({ 'GET /authorize': { headers: plain, body: '<title>provider</title>' } })
    })
    afterEach(async () => {
      for (const context of browser.contexts()) await context.close()
    })
    afterAll(async () => {
      await browser?.close()
      await broker?.close()
      await provider?.close()
    })

    /** A tab of a fresh profile, and what it complained of and asked for so far. */
    async function openTab(options: BrowserContextOptions = {}) {
      const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, ...options })
      const page = await context.newPage()
      const complaints: string[] = []
      const asked: string[] = []
      page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
      page.on('pageerror', (error) => complaints.push(error.message))
      context.on('request', (request) => asked.push(request.url()))
      return { page, complaints, asked }
    }

    async function show(page: Page, html: string): Promise<void> {
      broker.show({ 'GET /page': answer(html) })
      await page.goto(`${broker.origin}/page`)
    }

    const focused = (page: Page) =>
      page.evaluate<string>(
        'document.activeElement.value || document.activeElement.id || document.activeElement.tagName',
      )

    describe.each([
      ['with scripts allowed', true],
      ['with scripts turned off', false],
    ])('%s', (_, javaScriptEnabled) => {
      it.each(eachPage)('shows without a complaint and asks nobody for anything: %s', async (_name, html) => {
        const { page, complaints, asked } = await openTab({ javaScriptEnabled })
        await show(page, html)
        expect(await page.locator('html').getAttribute('lang')).toBe('en')
        expect(await page.getByRole('banner').count()).toBe(1)
        expect(await page.getByRole('main').count()).toBe(1)
        expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1)
        // The style sheet is in force: otherwise the policy would have stopped it.
        expect(await page.evaluate('getComputedStyle(document.body).marginTop')).toBe('0px')
        expect(complaints).toEqual([])
        expect(asked).toEqual([`${broker.origin}/page`])
      })

      it('leads by keyboard from the code to the provider', async () => {
        const { page, complaints } = await openTab({ javaScriptEnabled })
        broker.show({
          'GET /device': answer(pages.device ?? ''),
          'POST /device': answer(consentPage(view)),
          'POST /consent/1': answer(leavingPage({ url: `${provider.origin}/authorize`, service: 'GitHub' })),
        })
        await page.goto(`${broker.origin}/device`)
        await page.locator('#code:focus').waitFor()
        // Into the field that has the focus; a busy browser may still be about to move it.
        await page.locator('#code:focus').pressSequentially('wxyz-bcdf')
        await page.keyboard.press('Enter')
        await page.getByRole('heading', { name: 'Let support-agent use GitHub?' }).waitFor()
        await page.keyboard.press('Tab')
        expect(await focused(page)).toBe('continue')
        await page.keyboard.press('Enter')
        await page.waitForURL(`${provider.origin}/authorize`)
        const posted = broker.requests.filter(({ method }) => method === 'POST')
        expect(posted.map(({ path, fields }) => [path, fields])).toEqual([
          [
            '/device',
            [
              ['token', 'form-token'],
              ['code', 'wxyz-bcdf'],
            ],
          ],
          [
            '/consent/1',
            [
              ['token', 'form-token'],
              ['action', 'continue'],
            ],
          ],
        ])
        // What checks forms against other origins must know these as its own.
        for (const { headers } of posted) {
          expect(headers.origin).toBe(broker.origin)
          expect(headers['sec-fetch-site']).toBe('same-origin')
        }
        expect(complaints).toEqual([])
      })

      it('tells the provider nothing of where one came from', async () => {
        provider.show({ 'GET /authorize': { headers: plain, body: '<title>provider</title>' } })
        const { page } = await openTab({ javaScriptEnabled })
        broker.show({
          'GET /page': answer(leavingPage({ url: `${provider.origin}/authorize`, service: 'GitHub' })),
        })
        await page.goto(`${broker.origin}/page`, { waitUntil: 'commit' })
        await page.waitForURL(`${provider.origin}/authorize`)
        expect(provider.requests.map(({ headers }) => headers.referer)).toEqual([undefined])
      })
    })

    it('reaches Continue, then Cancel, and shows where the focus is', async () => {
      const { page } = await openTab()
      await show(page, consentPage(view))
      const order: string[] = []
      for (let presses = 0; presses < 2; presses++) {
        await page.keyboard.press('Tab')
        order.push(await focused(page))
        expect(await page.evaluate('getComputedStyle(document.activeElement).outline')).toMatch(/solid 3px/)
      }
      expect(order).toEqual(['continue', 'cancel'])
    })

    it('posts a cancellation by keyboard', async () => {
      const { page } = await openTab()
      broker.show({ 'GET /page': answer(consentPage(view)), 'POST /consent/1': answer(pages.done ?? '') })
      await page.goto(`${broker.origin}/page`)
      await page.getByRole('button', { name: 'Cancel' }).focus()
      await page.keyboard.press('Space')
      await page.getByRole('heading', { name: 'You may close this window' }).waitFor()
      expect(broker.requests.at(-1)?.fields).toEqual([
        ['token', 'form-token'],
        ['action', 'cancel'],
      ])
    })

    it('puts the cursor into the code, describes it, and announces the fault', async () => {
      const { page } = await openTab()
      await show(page, pages['device, after an unknown code'] ?? '')
      await page.locator('#code:focus').waitFor()
      const input = page.getByRole('textbox', { name: 'Code' })
      expect(await input.getAttribute('aria-invalid')).toBe('true')
      expect(await page.getByRole('alert').textContent()).toContain('That code is not known here.')
      expect(await page.locator('main').ariaSnapshot()).toContain('alert')
    })

    it('does not send what can be no code', async () => {
      const { page } = await openTab()
      await show(page, pages.device ?? '')
      await page.locator('#code:focus').waitFor()
      await page.keyboard.type('<b>')
      await page.keyboard.press('Enter')
      expect(await page.evaluate('document.querySelector("#code").validity.patternMismatch')).toBe(true)
      expect(broker.requests.map(({ method }) => method)).toEqual(['GET'])
    })

    it('selects the whole completion code at a click, and nothing else', async () => {
      const { page } = await openTab()
      await show(page, pages['done, with a code'] ?? '')
      await page.locator('.code').click()
      expect(await page.evaluate('getSelection().toString().trim()')).toBe('WXYZ-1234')
      expect(await page.locator('main').ariaSnapshot()).toContain('W, X, Y, Z, hyphen, 1, 2, 3, 4')
    })

    it.each(eachPage)('is readable in light and in dark: %s', async (_name, html) => {
      const grounds: string[] = []
      const { page } = await openTab()
      await show(page, html)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        grounds.push(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'))
        const lowest = await page.evaluate<{ ratio: number; text: string }>(measureContrast)
        expect(lowest.ratio, `${colorScheme}: ${lowest.text}`).toBeGreaterThanOrEqual(4.5)
      }
      expect(grounds[0]).not.toBe(grounds[1])
    })

    it.each(eachPage)('fits a narrow telephone, with targets a thumb can hit: %s', async (_name, html) => {
      const { page } = await openTab({
        viewport: { width: 320, height: 640 },
        hasTouch: true,
        isMobile: true,
      })
      await show(page, html)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320)
      expect(await page.evaluate('visualViewport.width')).toBe(320)
      for (const target of await page.locator('.button, input:not([type=hidden])').all()) {
        const box = await target.boundingBox()
        expect(box?.height).toBeGreaterThanOrEqual(44)
        expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 321) <= 320).toBe(true)
      }
    })

    it('shows a right-to-left name in its own direction, and the sentence around it in ours', async () => {
      const { page } = await openTab()
      await show(page, consentPage({ ...view, kind: 'sign_in', project: 'שלום!', service: '123' }))
      const x = (text: string) =>
        page.evaluate<number>(`(() => {
          const range = document.createRange()
          const walker = document.createTreeWalker(document.querySelector('h1'), 4)
          while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf(${JSON.stringify(text)})
            if (at < 0) continue
            range.setStart(walker.currentNode, at)
            range.setEnd(walker.currentNode, at + ${text.length})
            return range.getBoundingClientRect().left
          }
          return NaN
        })()`)
      const places = [await x('Sign in'), await x('!'), await x('שלום'), await x('with'), await x('123')]
      expect(places).toEqual([...places].sort((one, other) => one - other))
    })

    it('can not be framed', async () => {
      const { page, complaints } = await openTab()
      broker.show({
        'GET /page': answer(consentPage(view)),
        'GET /outer': { headers: plain, body: '<title>outer</title><iframe src="/page"></iframe>' },
      })
      provider.show({
        'GET /outer': {
          headers: plain,
          body: `<title>outer</title><iframe src="${broker.origin}/page"></iframe>`,
        },
      })
      for (const origin of [broker.origin, provider.origin]) {
        complaints.length = 0
        await page.goto(`${origin}/outer`)
        const [, framed] = page.frames()
        expect(framed).toBeDefined()
        expect(await framed?.getByText('support-agent').count()).toBe(0)
        expect(complaints.join()).toContain('frame-ancestors')
      }
    })

    it('stops a form whose answer redirects to another origin, for which there is the leaving page', async () => {
      provider.show({})
      const { page, complaints } = await openTab()
      broker.show({
        'GET /page': answer(consentPage(view)),
        'POST /consent/1': { status: 303, headers: { location: `${provider.origin}/authorize` } },
      })
      await page.goto(`${broker.origin}/page`)
      await page.getByRole('button', { name: 'Cancel' }).click()
      await expect.poll(() => complaints.join()).toContain('form-action')
      expect(provider.requests).toEqual([])
    })

    it('stops a style, a script and a picture that were smuggled into a page', async () => {
      const { page, complaints, asked } = await openTab()
      const smuggled =
        '<style>body{margin:99px}</style><script>document.title="run"</script><img src="/spy"><p style="color:red">'
      await show(page, (pages.failed ?? '').replace('</main>', `${smuggled}</main>`))
      expect(await page.evaluate('getComputedStyle(document.body).marginTop')).toBe('0px')
      expect(await page.title()).not.toBe('run')
      expect(complaints.length).toBeGreaterThanOrEqual(4)
      expect(broker.requests.map(({ path }) => path)).toEqual(['/page'])
      expect(asked).toContain(`${broker.origin}/page`)
    })
  },
)
