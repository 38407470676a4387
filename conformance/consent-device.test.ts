import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import { type ConsentApp, createConsentApp, returnUrl, user } from './support/consent.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'

const clock = createClock()
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
let app: ConsentApp

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  broker = await startBroker({ clock })
  app = await createConsentApp(broker, issuer, provider, {
    name: 'night-shift',
    attachment: { scopes: ['read', 'write'] },
  })
})
afterAll(async () => {
  await broker.close()
  await provider.close()
  await issuer.close()
})

/** What a person sees of a page: without its markup. */
const textOf = (html: string) => html.replace(/<style[\s\S]*?<\/style>|<[^>]*>/g, ' ').replace(/\s+/g, ' ')

describe('S07 a device code is typed in by a person who sees who asks', () => {
  it('S07 the page shows project, environment, connector, account and scopes, and waits for a click', async () => {
    const began = await app.begin('ann', { deviceCode: true, scopes: ['read', 'write'] })
    expect(began.deviceCode).toMatch(/^[A-Z]{4}-[A-Z]{4}$/)
    const browser = createBrowser(broker)
    const asked = provider.requests.length
    const entered = await browser.submit('/device', { code: began.deviceCode ?? '' })
    expect(entered.status).toBe(303)
    const shown = await browser.open(entered.to ?? '')
    const text = textOf(shown.html)
    for (const word of ['night-shift', 'production', 'oauth/night-shift', 'ann', 'read', 'write'])
      expect(text).toContain(word)
    // Nobody has agreed to anything by typing or looking.
    expect(shown.to).toBeUndefined()
    expect(await app.status(began)).toBe('pending')
    expect(provider.requests).toHaveLength(asked)
    expect(provider.visits).toHaveLength(0)

    const done = await browser.open(provider.agree(await browser.leave(entered.to ?? ''), 'ann'))
    expect([done.status, done.to]).toEqual([200, undefined])
    expect(done.code).toMatch(/^[A-Z]{4}-[A-Z]{4}$/)
    expect(done.code).not.toBe(began.deviceCode)
    expect((await app.complete(began, done.code ?? '', user('ann'))).status).toBe(200)
    expect(provider.ownerOf((await app.token('ann')).body.token)).toBe('ann')
  })

  it('S07 its code is good once, in any spelling that people use, and not after its time', async () => {
    const began = await app.begin('ben', { deviceCode: true, expiresInMs: 60_000 })
    const browser = createBrowser(broker)
    const typed = began.deviceCode?.toLowerCase().replace('-', ' ') ?? ''
    expect((await browser.submit('/device', { code: typed })).to).toContain(began.request)
    const again = await createBrowser(broker).submit('/device', { code: began.deviceCode ?? '' })
    expect([again.status, again.to]).toEqual([400, undefined])

    const late = await app.begin('ben', { deviceCode: true, expiresInMs: 60_000 })
    clock.advance(60_000)
    expect((await browser.submit('/device', { code: late.deviceCode ?? '' })).status).toBe(400)
    expect((await browser.open(began.url)).status).toBe(404)
  })

  it('S07 no other page types a code in, and none comes by a link', async () => {
    const began = await app.begin('cat', { deviceCode: true })
    const browser = createBrowser(broker)
    const code = began.deviceCode ?? ''
    const attempts = [
      await browser.submit('/device', { code }, { 'sec-fetch-site': 'cross-site' }),
      await browser.submit('/device', { code }, { origin: 'https://evil.example' }),
      await browser.submit('/device', { code, token: 'x' }),
    ]
    for (const { status, to } of attempts) expect([status, to]).toEqual([403, undefined])
    const linked = await browser.open(`/device?code=${code}&user_code=${code}`)
    expect([linked.status, linked.to]).toEqual([200, undefined])
    expect(linked.html).not.toContain(code)
    expect(linked.html).toContain('Use only a code that you asked for yourself')
    // A code proves nothing about who types: the device code completes nothing.
    expect(await app.complete(began, code, user('cat'))).toMatchObject({ status: 409 })
    expect((await browser.submit('/device', { code })).to).toContain(began.request)
  })

  it('S07 whoever types a code in elsewhere does not keep another browser from going back to the app', async () => {
    // Else an attacker would type in his own code, and talk the person out of the one that the last page shows.
    const began = await app.begin('eve', { deviceCode: true, returnUrl })
    const [attacker, person] = [createBrowser(broker), createBrowser(broker)]
    expect((await attacker.submit('/device', { code: began.deviceCode ?? '' })).to).toContain(began.request)
    const back = await person.open(provider.agree(await person.leave(began.url), 'eve'))
    expect(back.code).toBeUndefined()
    expect(back.to?.startsWith(`${returnUrl}&request=${began.request}&code=`)).toBe(true)
  })

  it('S07 nobody tries many codes, and who is slowed down does not learn whether one was right', async () => {
    const own = await startBroker({ clock })
    try {
      const target = await createConsentApp(own, issuer, provider, { name: 'target' })
      const began = await target.begin('dan', { deviceCode: true })
      const statuses: number[] = []
      for (let index = 0; index < 12; index += 1) {
        const code = `BBBB-BBB${'BCDFGHJKLMNP'[index]}`
        statuses.push((await createBrowser(own).submit('/device', { code })).status)
      }
      const limit = statuses.indexOf(429)
      expect(limit).toBeGreaterThan(2)
      expect(statuses.slice(0, limit)).toEqual(Array(limit).fill(400))
      const right = await createBrowser(own).submit('/device', { code: began.deviceCode ?? '' })
      expect([right.status, right.to]).toEqual([429, undefined])
      expect(Number(right.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(textOf(right.html)).toContain('Too many codes')
    } finally {
      await own.close()
    }
  })
})
