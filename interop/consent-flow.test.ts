import { createServer } from 'node:net'
import { createEmulator, type Emulator } from 'emulate'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startDevelopment, type TestBroker } from './support/broker.ts'
import { browserMissing, launchChromium } from './support/chromium.ts'
import { type ConsentApp, startConsentApp } from './support/consent-app.ts'
import { attach, createConnector, createWorkload } from './support/operator.ts'
import { until } from './support/until.ts'

const connector = 'linear/tracker'
const clientSecret = 'a-secret-of-the-test'

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

describe.skipIf(browserMissing !== undefined)(
  `consent in Chromium, at an emulated Linear${browserMissing === undefined ? '' : ` (${browserMissing})`}`,
  () => {
    let chromium: Browser
    let broker: TestBroker
    let linear: Emulator
    let app: ConsentApp
    /** Two people, each with a browser of their own. */
    let contexts: BrowserContext[]
    let mallory: Page
    let victim: Page

    beforeAll(async () => {
      ;[chromium, broker] = await Promise.all([launchChromium(), startDevelopment()])
      // The connector's redirect URI has its id in it, and Linear has to know that address from its start.
      const port = await freePort()
      const place = `http://localhost:${port}`
      const identity = await createWorkload(broker.owner, 'support-desk')
      const data = { clientId: 'client-1', clientSecret, webUrl: place, apiUrl: place }
      const id = await createConnector(broker.owner, 'linear', 'tracker', data)
      await attach(broker.owner, connector, 'support-desk', 'development', { subjects: ['user'] })
      linear = await createEmulator({
        service: 'linear',
        port,
        seed: {
          linear: {
            users: [
              { email: 'ann@example.com', name: 'Ann' },
              { email: 'victim@example.com', name: 'The Victim' },
              { email: 'mallory@example.com', name: 'Mallory' },
            ],
            oauth_apps: [
              {
                client_id: 'client-1',
                client_secret: clientSecret,
                name: 'Valet',
                redirect_uris: [`${broker.url}/v1/connect/callback/${id}`],
                scopes: ['read', 'write'],
              },
            ],
          },
        },
      })
      app = await startConsentApp({
        url: broker.url,
        identity,
        project: 'support-desk',
        environment: 'development',
        connector,
        apiUrl: linear.url,
      })
    })
    afterAll(async () => {
      await chromium.close()
      await app.close()
      await broker.close()
      await linear.close()
    })
    beforeEach(async () => {
      app.careless = false
      contexts = await Promise.all([chromium.newContext(), chromium.newContext()])
      const pages = await Promise.all(contexts.map((context) => context.newPage()))
      for (const page of pages) page.setDefaultTimeout(10_000)
      mallory = pages[0] as Page
      victim = pages[1] as Page
    })
    afterEach(async () => {
      for (const context of contexts) await context.close()
    })

    let people = 0
    /** Signs in at the app, as somebody whom it has never seen. */
    async function signIn(page: Page, name: string): Promise<string> {
      const user = `${name}-${++people}`
      await page.goto(`${app.origin}/login?user=${user}`)
      return user
    }

    /** Presses Tab until what has this name is focused, then Enter: no mouse, and no script. */
    async function choose(page: Page, name: string): Promise<void> {
      for (let step = 0; step < 40; step += 1) {
        await page.keyboard.press('Tab')
        const focused = page.locator(':focus')
        const text = (await focused.count()) === 0 ? null : await focused.textContent()
        if (text?.includes(name) === true) return page.keyboard.press('Enter')
      }
      throw new Error(`No key leads to "${name}"`)
    }

    /** The text of one part of a page. */
    const textOf = async (page: Page, part: 'main' | 'body' | 'h1' | 'code' | '.code'): Promise<string> =>
      (await page.locator(part).textContent()) ?? ''

    const heading = (page: Page) => textOf(page, 'h1')

    /** Goes on from the consent page, and agrees at Linear as `who`; resolves on the page that follows. */
    async function agree(page: Page, who: string): Promise<void> {
      await choose(page, 'Continue')
      await page.waitForURL(`${linear.url}/**`)
      const before = page.url()
      await choose(page, who)
      await page.waitForURL((url) => url.href !== before && url.origin !== new URL(linear.url).origin)
    }

    /** What the app shows somebody of Linear. */
    async function issuesOf(page: Page): Promise<string> {
      await page.goto(`${app.origin}/issues`)
      return textOf(page, 'body')
    }

    it('leads an honest user through by keyboard, to a token that Linear takes', async () => {
      const user = await signIn(victim, 'ann')
      await choose(victim, 'Connect Linear')
      await victim.waitForURL(`${broker.url}/consent/**`)
      const text = await textOf(victim, 'main')
      for (const word of [
        'support-desk',
        'development',
        connector,
        'Linear',
        user,
        'Read everything',
        'localhost',
      ])
        expect(text).toContain(word)
      await agree(victim, 'ann@example.com')
      expect(victim.url().startsWith(`${app.origin}/connected?request=ask_`)).toBe(true)
      expect(await heading(victim)).toBe('Connected')
      expect(await issuesOf(victim)).toContain('Linear knows you as Ann')
    })

    it('tells the app that the person cancelled, and gives it nothing', async () => {
      await signIn(victim, 'cancelling')
      await choose(victim, 'Connect Linear')
      await victim.waitForURL(`${broker.url}/consent/**`)
      await choose(victim, 'Cancel')
      await victim.waitForURL(`${app.origin}/connected**`)
      expect(new URL(victim.url()).searchParams.get('error')).toBe('access_denied')
      expect(await textOf(victim, 'body')).toContain('You said no')
      expect(await issuesOf(victim)).toContain('user_authorization_required')
    })

    it('connects by a typed code, and a code typed back', async () => {
      await signIn(mallory, 'by-code')
      await mallory.goto(`${app.origin}/connect-by-code`)
      const code = await textOf(mallory, 'code')
      const telephone = victim
      await telephone.goto(`${broker.url}/device`)
      await telephone.keyboard.type(code.toLowerCase())
      await telephone.keyboard.press('Enter')
      await telephone.waitForURL(`${broker.url}/consent/**`)
      expect(await textOf(telephone, 'main')).toContain('support-desk')
      await agree(telephone, 'ann@example.com')
      expect(await heading(telephone)).toBe('One step left')
      const back = await textOf(telephone, '.code')
      await mallory.getByLabel('Completion code').fill(back.toLowerCase())
      await mallory.keyboard.press('Enter')
      await mallory.waitForURL(`${app.origin}/typed`)
      expect(await heading(mallory)).toBe('Connected')
      expect(await issuesOf(mallory)).toContain('Linear knows you as Ann')
    })

    describe('S01 when Mallory begins and somebody else consents', () => {
      it('S01 gives him nothing by the return URL, whether the app is careful or not', async () => {
        for (const careless of [false, true]) {
          app.careless = careless
          const attacker = await signIn(mallory, 'mallory')
          await choose(mallory, 'Connect Linear')
          await mallory.waitForURL(`${broker.url}/consent/**`)
          const lure = mallory.url()

          await signIn(victim, 'victim')
          await victim.goto(lure)
          // The page says for whom it is, and warns.
          const text = await textOf(victim, 'main')
          expect(text).toContain(attacker)
          expect(text).toContain('Continue only if you began this yourself')
          await agree(victim, 'victim@example.com')
          expect(await heading(victim)).toBe('Not connected')
          const body = await textOf(victim, 'body')
          expect(body).toContain(careless ? 'invalid_request' : 'Not started in this session')
          expect(await issuesOf(victim)).toContain('user_authorization_required')

          // In his own session he has the request and the verifier, and no code.
          const request = lure.split('/').at(-1)
          for (const code of ['', 'x', 'A'.repeat(43)]) {
            await mallory.goto(`${app.origin}/connected?request=${request}&code=${code}`)
            expect(await heading(mallory)).toBe('Not connected')
          }
          await mallory.goto(lure)
          expect(await heading(mallory)).toBe('This request is over')
          expect(await issuesOf(mallory)).toContain('user_authorization_required')
        }
      })

      it('S01 gives him nothing when he goes to Linear himself and lets the other one come back', async () => {
        await signIn(mallory, 'mallory')
        await choose(mallory, 'Connect Linear')
        await mallory.waitForURL(`${broker.url}/consent/**`)
        await choose(mallory, 'Continue')
        await mallory.waitForURL(`${linear.url}/**`)
        const lure = mallory.url()
        await signIn(victim, 'victim')
        await victim.goto(lure)
        await choose(victim, 'victim@example.com')
        await victim.waitForURL(`${broker.url}/**`)
        expect(await heading(victim)).toBe('Another browser began this')
        expect(await issuesOf(mallory)).toContain('user_authorization_required')
        expect(await issuesOf(victim)).toContain('user_authorization_required')
      })

      it('S01 gives him nothing by a device code that the other one types in', async () => {
        await signIn(mallory, 'mallory')
        await mallory.goto(`${app.origin}/connect-by-code`)
        const form = mallory.url()
        const code = await textOf(mallory, 'code')
        const request = await mallory.locator('input[name=request]').getAttribute('value')
        await victim.goto(`${broker.url}/device`)
        expect(await textOf(victim, 'main')).toContain('Use only a code that you asked for yourself')
        await victim.getByLabel('Code').fill(code)
        await victim.keyboard.press('Enter')
        await victim.waitForURL(`${broker.url}/consent/**`)
        await agree(victim, 'victim@example.com')
        expect(await textOf(victim, 'main')).toContain('Tell it to nobody else')
        const shown = await textOf(victim, '.code')
        for (const guess of [code, 'BBBB-BBBB', 'CCCC-CCCC', shown]) {
          await mallory.goto(form)
          const body = new URLSearchParams({ request: request ?? '', code: guess }).toString()
          const headers = { 'content-type': 'application/x-www-form-urlencoded' }
          const answer = await mallory.request.post(`${app.origin}/typed`, { data: body, headers })
          // After three the true one is worth nothing either.
          expect(await answer.text()).toContain(guess === shown ? 'conflict' : 'invalid_request')
        }
        expect(await issuesOf(mallory)).toContain('user_authorization_required')
      })

      it('S01 gives him nothing by a webhook, which tells that somebody consented and no more', async () => {
        await signIn(mallory, 'mallory')
        await mallory.goto(`${app.origin}/connect-by-hook`)
        const lure = (await mallory.getByRole('link').getAttribute('href')) ?? ''
        await victim.goto(lure)
        await agree(victim, 'victim@example.com')
        expect(await heading(victim)).toBe('One step left')
        const request = lure.split('/').at(-1)
        await until('the webhook was told', () => app.told.includes(`${request} consented`))
        expect(app.told.filter((line) => line.startsWith(`${request} `))).toEqual([`${request} consented`])
        expect(await issuesOf(mallory)).toContain('user_authorization_required')
      })
    })
  },
)
