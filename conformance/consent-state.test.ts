import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import {
  type ConsentApp,
  createConsentApp,
  parametersOf,
  returnedCode,
  returnUrl,
  user,
} from './support/consent.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'

const clock = createClock()
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
/** Another authorization server, which may be anybody's. */
let stranger: AuthorizationServer
let app: ConsentApp
let strange: ConsentApp

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  stranger = await startAuthorizationServer(clock)
  broker = await startBroker({ clock })
  app = await createConsentApp(broker, issuer, provider, { name: 'app' })
  strange = await createConsentApp(broker, issuer, stranger, { name: 'strange' })
})
afterAll(async () => {
  await broker.close()
  await provider.close()
  await stranger.close()
  await issuer.close()
})

/** How many codes were sent to anybody's token endpoint. */
const redemptions = () =>
  [provider, stranger].flatMap(({ requests }) => requests).filter(({ path }) => path === '/token').length

/** Begins, and goes to the provider with a browser of its own. */
async function leaving(how: Readonly<Record<string, unknown>> = { returnUrl }, of = app) {
  const began = await of.begin('ann', how)
  const browser = createBrowser(broker)
  return { began, browser, at: await browser.leave(began.url) }
}

/** What the app is told in its return URL, beside what it had put there. */
const told = (to: string | undefined) => {
  expect(to?.startsWith(`${returnUrl}&`)).toBe(true)
  const { tab, request: _, ...rest } = parametersOf(to)
  expect(tab).toBe('2')
  return rest
}

describe('S03 a code comes from the provider that was asked', () => {
  it('S03 each connector has a redirect URI of its own', async () => {
    const [one, other] = [await leaving(), await leaving({ returnUrl }, strange)]
    const [first, second] = [parametersOf(one.at).redirect_uri, parametersOf(other.at).redirect_uri]
    expect(first).toBe(`${broker.url}/v1/connect/callback/${app.connectorId}`)
    expect(second).toBe(`${broker.url}/v1/connect/callback/${strange.connectorId}`)
  })

  it('S03 a state counts at the callback of its own connector only, and an attempt elsewhere does not use it up', async () => {
    const { began, browser, at } = await leaving()
    const callback = provider.agree(at, 'ann')
    const before = redemptions()
    for (const id of [strange.connectorId, 'scl_unknown', encodeURIComponent(app.connector)]) {
      const shown = await browser.open(callback.replace(app.connectorId, id))
      expect([shown.status, shown.to]).toEqual([400, undefined])
    }
    expect(redemptions()).toBe(before)
    const back = await browser.open(callback)
    expect((await app.complete(began, returnedCode(back.to), user('ann'))).status).toBe(200)
  })

  it.each([
    ['names another server', () => stranger.url],
    ['names none, where the server says that it always does', () => undefined],
    ['only begins like the server’s name', () => `${provider.url}.evil.example`],
    ['has a slash more', () => `${provider.url}/`],
  ])('S03 an answer whose iss %s is refused before the code is sent to anybody', async (_what, iss) => {
    const { began, browser, at } = await leaving()
    const before = redemptions()
    const back = await browser.open(provider.agree(at, 'ann', { iss: iss() }))
    expect(told(back.to)).toEqual({ error: 'provider_refused' })
    expect(redemptions()).toBe(before)
    expect(await app.status(began)).toBe('error')
    expect((await app.complete(began, 'x', user('ann'))).status).toBe(409)
  })

  it('S03 a code that one provider gave, at the callback of another with a good state, reaches neither', async () => {
    const foreign = await leaving({ returnUrl }, strange)
    const { code, iss } = parametersOf(stranger.agree(foreign.at, 'victim'))
    const { began, browser, at } = await leaving()
    const before = redemptions()
    const back = await browser.open(provider.agree(at, 'ann', { code, iss }))
    expect(told(back.to)).toEqual({ error: 'provider_refused' })
    expect(redemptions()).toBe(before)
    expect(await app.status(began)).toBe('error')
  })
})

describe('S04 a state is good once, in time, in the browser that was sent', () => {
  it('S04 of two callbacks with one state at the same moment one goes on, and none later', async () => {
    const { began, browser, at } = await leaving()
    const callback = provider.agree(at, 'ann')
    const before = redemptions()
    const both = await Promise.all([browser.open(callback), browser.open(callback)])
    expect(both.map(({ status }) => status).sort()).toEqual([303, 400])
    expect((await browser.open(callback)).status).toBe(400)
    expect(redemptions()).toBe(before + 1)
    expect(await app.status(began)).toBe('consented')
  })

  it('S04 it ends with the request', async () => {
    const { began, browser, at } = await leaving({ returnUrl, expiresInMs: 60_000 })
    const before = redemptions()
    clock.advance(60_000)
    const shown = await browser.open(provider.agree(at, 'ann'))
    expect([shown.status, shown.to]).toEqual([404, undefined])
    expect(redemptions()).toBe(before)
    expect(await app.status(began)).toBe('expired')
  })

  it.each<[string, (cookies: Map<string, string>) => void]>([
    ['no cookie', (cookies) => cookies.clear()],
    ['the cookie of another browser', (cookies) => cookies.set('__Host-vk-browser', 'A'.repeat(43))],
    [
      'a cookie that a sister domain can set',
      (cookies) => {
        cookies.set('vk-browser', cookies.get('__Host-vk-browser') ?? '')
        cookies.delete('__Host-vk-browser')
      },
    ],
    [
      'two cookies of the name',
      (cookies) => {
        cookies.set(' __Host-vk-browser', 'A'.repeat(43))
      },
    ],
  ])('S04 a browser with %s gets nothing for another one’s answer', async (_what, change) => {
    const { began, browser, at } = await leaving()
    expect([...browser.cookies.keys()]).toEqual(['__Host-vk-browser'])
    const before = redemptions()
    change(browser.cookies)
    const shown = await browser.open(provider.agree(at, 'victim'))
    expect([shown.status, shown.to]).toEqual([403, undefined])
    expect(redemptions()).toBe(before)
    // The request is as it was; the state is spent, and the person can start over.
    expect(await app.status(began)).toBe('pending')
  })

  it('S04 what one browser was sent with is of no use once another one has gone on', async () => {
    const { began, browser: thief, at } = await leaving()
    const person = createBrowser(broker)
    const own = await person.leave(began.url)
    expect((await thief.open(provider.agree(at, 'mallory'))).status).toBe(400)
    expect((await person.open(provider.agree(own, 'ann'))).to).toContain('code=')
  })

  it.each<[string, Record<string, string | undefined>]>([
    ['no state', { state: undefined }],
    ['an empty state', { state: '' }],
    ['a state that nobody was given', { state: 'A'.repeat(43) }],
  ])('S04 an answer with %s leads nowhere', async (_what, changes) => {
    const { browser, at } = await leaving()
    const before = redemptions()
    const shown = await browser.open(provider.agree(at, 'ann', changes))
    expect([shown.status, shown.to]).toEqual([400, undefined])
    const twice = `${provider.agree(at, 'ann')}&state=${'A'.repeat(43)}`
    expect((await browser.open(twice)).status).toBe(400)
    expect(redemptions()).toBe(before)
  })

  it('S04 only a form of ours, in this browser, for this request, goes on to the provider', async () => {
    const [began, other] = [await app.begin('ann'), await app.begin('ann')]
    const [browser, elsewhere] = [createBrowser(broker), createBrowser(broker)]
    await elsewhere.open(began.url)
    const form = { action: 'continue' }
    const formOf = async (url: string) =>
      /name="token" value="([^"]*)"/.exec((await browser.open(url)).html)?.[1] ?? ''
    const foreign = await formOf(other.url)
    const attempts = [
      await browser.submit(began.url, form, { 'sec-fetch-site': 'cross-site' }),
      await browser.submit(began.url, form, { 'sec-fetch-site': 'same-site' }),
      await browser.submit(began.url, form, { origin: 'https://evil.example' }),
      await browser.submit(began.url, form, { origin: 'null' }),
      await browser.submit(began.url, form, { origin: `${broker.url}.evil.example` }),
      await browser.submit(began.url, form, {
        cookie: [...elsewhere.cookies].map((pair) => pair.join('=')).join(),
      }),
      await browser.submit(began.url, form, { cookie: 'a=b' }),
      await browser.submit(began.url, { ...form, token: foreign }),
      await browser.submit(began.url, { ...form, token: '' }),
      await browser.submit(began.url, form, { 'content-type': 'text/plain' }),
      await browser.submit(began.url, {}),
    ]
    for (const { status, to } of attempts) {
      expect([400, 403]).toContain(status)
      expect(to).toBeUndefined()
    }
    // Opening the page asked the provider for nothing, and changed nothing.
    expect(await app.status(began)).toBe('pending')
    expect((await browser.submit(began.url, form)).to).toContain(provider.url)
  })
})
