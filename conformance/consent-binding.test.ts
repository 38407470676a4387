import { verifyWebhook } from '@valetkey/sdk/webhooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { asObjects, startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import {
  type Began,
  type ConsentApp,
  createConsentApp,
  returnedCode,
  returnUrl,
  startWebhook,
  until,
  user,
} from './support/consent.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { attach } from './support/workspace.ts'

const clock = createClock()
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
let webhook: Awaited<ReturnType<typeof startWebhook>>

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  webhook = await startWebhook()
  broker = await startBroker({ clock, revocationEveryMs: 50 })
})
afterAll(async () => {
  await broker.close()
  await webhook.close()
  await provider.close()
  await issuer.close()
})

let apps = 0
const newApp = (attachment = {}): Promise<ConsentApp> =>
  createConsentApp(broker, issuer, provider, { name: `app-${++apps}`, attachment })

const attacker = user('mallory')
const victim = user('victim')

/** The grants that answer anybody under the app's connector. */
async function usable(app: ConsentApp): Promise<readonly unknown[]> {
  for (const id of ['mallory', 'victim'])
    expect(await app.token(id)).toMatchObject({ status: 422, code: 'user_authorization_required' })
  const path = `/v1/connect/connectors/${encodeURIComponent(app.connector)}/grants?state=active`
  return asObjects((await broker.manage('GET', path)).grants)
}

describe('S01 an attacker begins, a victim consents', () => {
  /** The ways a consent can go, and what the attacker holds when the victim has consented. */
  const modes = {
    callback: { returnUrl },
    device: { deviceCode: true },
    webhook: { webhook: 'https://app.example/hook' },
  }

  async function consentOfVictim(mode: keyof typeof modes, app: ConsentApp, how: object = modes[mode]) {
    const began = await app.begin('mallory', { ...how })
    const browser = createBrowser(broker)
    let page = began.url
    if (mode === 'device') {
      const entered = await browser.submit('/device', { code: began.deviceCode ?? '' })
      page = entered.to ?? ''
      expect(page).toContain(began.request)
    }
    const back = await browser.open(provider.agree(await browser.leave(page), 'victim'))
    return { began, back, code: back.code ?? (back.to === undefined ? '' : returnedCode(back.to)) }
  }

  /** Everything an attacker can put where the code belongs. */
  const guesses = ({ request, verifier, deviceCode = 'BCDF-GHJK' }: Began) => [
    verifier,
    request,
    deviceCode,
    '0',
  ]

  it.each(['callback', 'device', 'webhook'] as const)(
    'S01 in %s mode nothing of it becomes usable by all that the attacker has',
    async (mode) => {
      const app = await newApp()
      const { began } = await consentOfVictim(mode, app)
      expect(await app.status(began)).toBe('consented')
      expect(await usable(app)).toEqual([])
      for (const code of guesses(began).slice(0, 2))
        expect(await app.complete(began, code, attacker)).toMatchObject({
          status: 400,
          code: 'invalid_request',
        })
      expect(await usable(app)).toEqual([])
    },
  )

  it.each(['callback', 'device', 'webhook'] as const)(
    'S01 in %s mode the session of the victim, with the true code, completes nothing for the attacker’s subject',
    async (mode) => {
      const app = await newApp()
      const { began, code } = await consentOfVictim(mode, app)
      // The app takes the subject from the session in which the code arrived.
      const answers = [
        await app.complete(began, code, victim),
        await app.complete(began, code, { ...attacker, issuer: 'https://issuer.example' }),
      ]
      for (const answer of answers) expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
      expect(await usable(app)).toEqual([])
    },
  )

  it('S01 a session that did not begin it has no verifier, and no other one will do', async () => {
    const app = await newApp()
    const { began, code } = await consentOfVictim('callback', app)
    const own = await app.begin('victim')
    for (const verifier of [own.verifier, 'x', code])
      expect(await app.complete({ ...began, verifier }, code, attacker)).toMatchObject({ status: 403 })
    expect(await app.complete(own, code, victim)).toMatchObject({ status: 409 })
    expect(await usable(app)).toEqual([])
  })

  it('S01 neither asking for the status nor a webhook activates anything, or tells a code', async () => {
    const app = await newApp()
    const { began, code } = await consentOfVictim('webhook', app, { webhook: webhook.url, returnUrl })
    const told = (status: string) =>
      webhook.received.find(({ body }) => body.includes(began.request) && body.includes(`"${status}"`))
    await until('the webhook was told', () => told('consented') !== undefined)
    for (let index = 0; index < 3; index += 1) expect(await app.status(began)).toBe('consented')
    expect(await usable(app)).toEqual([])
    const status = await app.call('POST', `/v1/connect/requests/${began.request}/status`, {
      verifier: began.verifier,
    })
    expect(status.body).toEqual({ request: began.request, status: 'consented' })
    expect(JSON.parse(told('consented')?.body ?? '{}')).toEqual(status.body)
    const said = `${JSON.stringify(webhook.received)}${status.text}`
    for (const secret of [code, began.verifier, ...provider.given]) expect(said).not.toContain(secret)
  })

  it('S01 what is refused says the same whether the code or the subject was wrong', async () => {
    const app = await newApp()
    const { began, code } = await consentOfVictim('callback', app)
    const [wrongSubject, wrongCode, none] = [
      await app.complete(began, code, victim),
      await app.complete(began, 'x', attacker),
      await app.complete(began, code, null),
    ]
    expect(wrongSubject.message).toBe(wrongCode.message)
    expect(none.message).toBe(wrongCode.message)
  })

  it.each([
    ['callback', 10],
    ['device', 3],
  ] as const)(
    'S01 in %s mode the code can be guessed at %s times, then the consent is over',
    async (mode, tries) => {
      const app = await newApp()
      const { began, code } = await consentOfVictim(mode, app)
      for (let index = 0; index < tries; index += 1)
        expect(await app.complete(began, `CCCC-CCC${'BCDFGHJKLM'[index]}`, attacker)).toMatchObject({
          status: 400,
        })
      expect(await app.complete(began, code, attacker)).toMatchObject({ status: 409, code: 'conflict' })
      expect(await usable(app)).toEqual([])
      // What the victim agreed to is taken back at the provider.
      await until('the grant was ended', () =>
        provider.ended.some((token) => token.startsWith('refresh-of-victim')),
      )
    },
  )

  it('S01 the code is of no use after its time', async () => {
    const app = await newApp()
    const { began, code } = await consentOfVictim('callback', app)
    clock.advance(60_000)
    expect(await app.complete(began, code, attacker)).toMatchObject({ status: 409 })
    expect(await usable(app)).toEqual([])
  })

  it('S01 whoever begins and consents in one session gets the token, by the SDK’s own calls', async () => {
    const app = await newApp()
    const { client, connector } = app
    const began = await client.startAuthorization(
      connector,
      { subject: user('ann') },
      { callbackUrl: returnUrl },
    )
    const browser = createBrowser(broker)
    const back = await browser.open(provider.agree(await browser.leave(began.url), 'ann'))
    const code = returnedCode(back.to)
    const { request, verifier } = began
    await client.completeAuthorization({ request, verifier, code, subject: user('ann') })
    const token = await client.getToken(connector, { subject: user('ann') })
    expect(provider.ownerOf(token)).toBe('ann')
    expect((await client.waitForAuthorization({ request, verifier })).status).toBe('active')
    expect(await app.complete(began, code, user('ann'))).toMatchObject({ status: 409 })
  })

  it('S01 only an attachment that says so binds by consent alone, and then the page says so', async () => {
    const careful = await newApp()
    const body = { subject: attacker, returnUrl }
    const path = (app: ConsentApp) => `/v1/connect/authorize/${encodeURIComponent(app.connector)}`
    const refused = await careful.call('POST', path(careful), body)
    expect(refused).toMatchObject({ status: 400, code: 'invalid_request' })
    for (const binding of ['consent', 'none', '', null])
      expect(await careful.call('POST', path(careful), { ...body, binding })).toMatchObject({ status: 400 })

    const careless = await newApp({ dangerouslyBindOnConsent: true })
    const { body: began } = await careless.call('POST', path(careless), body)
    const browser = createBrowser(broker)
    expect((await browser.open(String(began.url))).html).toMatch(/access at once/)
    expect((await browser.open((await careful.begin('ann')).url)).html).not.toMatch(/access at once/)
    const back = await browser.open(provider.agree(await browser.leave(String(began.url)), 'victim'))
    expect(back.to).not.toContain('code=')
    expect((await careless.token('mallory')).status).toBe(200)
    // A request may ask for more binding there, and then gets it.
    const more = await careless.begin('victim')
    await browser.open(provider.agree(await browser.leave(more.url), 'victim'))
    expect((await careless.token('victim')).status).toBe(422)
  })

  it('S01 a webhook’s attestation is genuine, and says nothing but where the request stands', async () => {
    const app = await newApp()
    const { began } = await consentOfVictim('webhook', app, { webhook: webhook.url })
    await until('the webhook was told', () =>
      webhook.received.some(({ body }) => body.includes(began.request)),
    )
    const told = webhook.received.find(({ body }) => body.includes(began.request))
    const request = () =>
      new Request(webhook.url, {
        method: 'POST',
        headers: { authorization: told?.authorization ?? '', 'content-type': 'application/json' },
        body: told?.body ?? '',
      })
    const options = {
      project: app.project,
      environment: 'production',
      url: broker.url,
      now: clock.now,
      fetch: ((input, init) => broker.fetch(new Request(input, init))) as typeof globalThis.fetch,
    }
    const verified = await verifyWebhook(request(), options)
    expect(verified).toMatchObject({ request: began.request, status: 'consented' })
    await expect(verifyWebhook(request(), options)).rejects.toMatchObject({ code: 'identity_invalid' })
    await expect(verifyWebhook(request(), { ...options, project: 'other' })).rejects.toMatchObject({
      code: 'identity_invalid',
    })
  })
})

describe('S02 what belongs to one project or connector redeems for no other', () => {
  it('S02 another project, another environment and a wrong verifier learn nothing of a request, not even that it is', async () => {
    const [app, other] = [await newApp(), await newApp()]
    await broker.manage('POST', `/v1/projects/${app.project}/trust`, {
      environment: 'preview',
      issuer: issuer.url,
      claims: { sub: `workload:${app.project}-preview` },
    })
    await attach(broker, app.connector, app.project, { environments: ['preview'] })
    const began = await app.begin('ann')
    const browser = createBrowser(broker)
    const code = returnedCode((await browser.open(provider.agree(await browser.leave(began.url), 'ann'))).to)
    const preview = await issuer.identity(broker.url, { sub: `workload:${app.project}-preview` })
    const path = (what: string, request = began.request) => `/v1/connect/requests/${request}/${what}`
    const body = { verifier: began.verifier, code, subject: user('ann') }
    const refused = [
      await other.call('POST', path('complete'), body),
      await broker.call('POST', path('complete'), { token: preview, body }),
      await app.call('POST', path('complete'), { ...body, verifier: 'x' }),
      await app.call('POST', path('complete', `ask_${'a'.repeat(20)}`), body),
      await other.call('POST', path('status'), { verifier: began.verifier }),
      await broker.call('POST', path('status'), { token: preview, body: { verifier: began.verifier } }),
      await app.call('POST', path('status'), { verifier: 'x' }),
    ]
    for (const answer of refused) expect(answer).toMatchObject({ status: 403, code: 'forbidden' })
    expect(new Set(refused.map(({ message }) => message)).size).toBe(1)
    // None of them used anything up.
    expect((await app.complete(began, code, user('ann'))).status).toBe(200)
  })

  it('S02 code, verifier and subject of one request complete no other, of the same project either', async () => {
    const app = await newApp()
    const second = await createConsentApp(broker, issuer, provider, {
      name: `app-${++apps}`,
      connector: app.connector,
    })
    const begun = await Promise.all([app.begin('ann'), app.begin('ann'), second.begin('ann')])
    const codes: string[] = []
    for (const began of begun) {
      const browser = createBrowser(broker)
      codes.push(returnedCode((await browser.open(provider.agree(await browser.leave(began.url), 'ann'))).to))
    }
    const [first, other, foreign] = begun
    expect(await app.complete(first, codes[1] ?? '', user('ann'))).toMatchObject({ status: 400 })
    expect(
      await app.complete({ ...first, verifier: other.verifier }, codes[0] ?? '', user('ann')),
    ).toMatchObject({
      status: 403,
    })
    expect(await app.complete(foreign, codes[2] ?? '', user('ann'))).toMatchObject({ status: 403 })
    expect((await app.token('ann')).status).toBe(422)
  })

  it('S02 a grant answers its own connector, and no installation stands in for a user', async () => {
    const app = await newApp()
    const twin = `oauth/app-${++apps}-twin`
    const data = {
      serverUrl: provider.url,
      clientId: 'client-of-the-broker',
      clientSecret: provider.clientSecret,
    }
    await broker.manage('POST', '/v1/connect/connectors', { service: 'oauth', name: twin.slice(6), data })
    await attach(broker, twin, app.project, { subjects: ['user'] })
    await app.connect('ann', createBrowser(broker))
    const at = (connector: string, body: object) =>
      app.call('POST', `/v1/connect/token/${encodeURIComponent(connector)}`, body)
    expect((await at(app.connector, { subject: user('ann') })).status).toBe(200)
    expect(await at(twin, { subject: user('ann') })).toMatchObject({ status: 422 })
    expect(await at(app.connector, { subject: user('ann'), installationId: 'T1' })).not.toMatchObject({
      status: 200,
    })
    expect(await at(app.connector, { subject: { type: 'app' } })).not.toMatchObject({ status: 200 })
  })

  it('S02 a consent is worth nothing once its connector was detached, also when it is attached again', async () => {
    const app = await newApp()
    const began = await app.begin('ann')
    const browser = createBrowser(broker)
    const code = returnedCode((await browser.open(provider.agree(await browser.leave(began.url), 'ann'))).to)
    await broker.manage(
      'DELETE',
      `/v1/connect/connectors/${encodeURIComponent(app.connector)}/projects/${app.project}`,
    )
    await attach(broker, app.connector, app.project, { subjects: ['user'] })
    expect((await app.complete(began, code, user('ann'))).status).toBeGreaterThanOrEqual(400)
    expect((await app.token('ann')).status).toBe(422)
  })
})
