import { createClient } from '@valetkey/sdk'
import { createSignIn } from '@valetkey/sdk/sign-in'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startDevelopment, type TestBroker } from './broker.ts'
import { browserMissing, launchChromium } from './chromium.ts'
import { attach, createConnector, createWorkload } from './operator.ts'
import {
  type SignInApp,
  type SignInAppSettings,
  type SignInFramework,
  startSignInApp,
} from './sign-in-app.ts'
import { codeByHand } from './sign-in-by-hand.ts'
import { createPerson } from './sign-in-person.ts'
import { type SignInUpstream, startUpstream, upstreamSecret } from './sign-in-upstream.ts'

export const connector = 'oauth/login'

/** What there is at one test. */
export interface SignInSetting {
  readonly broker: TestBroker
  readonly upstream: SignInUpstream
  readonly app: SignInApp
  /** What the framework logged. */
  readonly log: string[]
  /** The identity of the app's workload; replaced by tests. */
  identity: string
  readonly redirectUri: string
}

/** A framework under proof. */
export interface Proof {
  create(origin: string, settings: SignInAppSettings, log: string[]): Promise<SignInFramework>
  /** Below the app's origin. */
  readonly callbackPath: string
  /** Where the framework shows errors: what the address of the page begins with, below the app's origin. */
  readonly errorPath: string
  /** How it begins and where people press. */
  readonly button: string
  /** What `ada` gets, whose provider does not say that her address is hers. */
  readonly unproven: 'a user of her own without an address' | 'nothing'
}

/** The same proof for every framework; returns the setting of the test that runs. */
export function proveSignIn(proof: Proof): () => SignInSetting {
  let broker: TestBroker
  let upstream: SignInUpstream
  let trusted: string
  let setting: SignInSetting

  beforeAll(async () => {
    ;[broker, upstream] = await Promise.all([startDevelopment(), startUpstream()])
    trusted = await createWorkload(broker.owner, 'agent')
    const id = await createConnector(broker.owner, 'oauth', 'login', {
      serverUrl: upstream.issuer,
      clientId: 'broker',
      clientSecret: upstreamSecret,
      userAuthorization: { enabled: true, scopes: ['openid', 'email', 'profile'] },
    })
    upstream.register(`${broker.url}/v1/connect/callback/${id}`)
  })
  afterAll(async () => {
    await broker.close()
    await upstream.close()
  })
  beforeEach(async () => {
    const log: string[] = []
    const settings: SignInAppSettings = {
      url: broker.url,
      connector,
      identity: () => setting.identity,
      upstream,
    }
    const app = await startSignInApp(settings, (origin) => proof.create(origin, settings, log))
    const redirectUri = `${app.origin}${proof.callbackPath}`
    await attach(broker.owner, connector, 'agent', 'development', {
      subjects: ['user'],
      redirectUris: [redirectUri],
    })
    setting = { broker, upstream, app, log, identity: trusted, redirectUri }
  })
  afterEach(async () => {
    await setting.app.close()
  })

  const start = () => setting.app.framework.start
  const home = () => `${setting.app.origin}/`
  const stored = () => setting.app.framework.dump()

  /** Signs somebody in, by a browser of their own, up to the page that this ends with. */
  async function signIn(login: string, action?: 'cancel') {
    const person = createPerson()
    const page = await person.signIn(start(), { login, ...(action === undefined ? {} : { action }) })
    const sub = /id="sub">([^<]*)</.exec((await person.open(home())).html)?.[1]
    return { person, page, sub }
  }

  /** What `getToken` is asked with for somebody. */
  const asPerson = (sub: string) => ({ subject: { type: 'user', id: sub, issuer: broker.url } }) as const

  function expectNothingSecret(...tokens: readonly string[]) {
    const said = setting.log.join('\n')
    for (const secret of [upstreamSecret, trusted, ...tokens]) {
      expect(stored()).not.toContain(secret)
      expect(said).not.toContain(secret)
    }
    // Of no JWT a single one: neither an identity, nor a token of the gateway.
    expect(stored()).not.toMatch(/eyJ[\w-]+\.eyJ/)
    expect(stored()).not.toMatch(/refresh_?token":"/i)
  }

  function expectNobody() {
    for (const address of ['ann@example.com', 'bob@example.com']) expect(stored()).not.toContain(address)
    expectNothingSecret()
  }

  describe.skipIf(browserMissing !== undefined)(
    `in Chromium${browserMissing ? ` (${browserMissing})` : ''}`,
    () => {
      let chromium: Browser
      beforeAll(async () => {
        chromium = await launchChromium()
      })
      afterAll(() => chromium?.close())

      it('signs a person in by clicks, through the consent page, and the app acts for them', async () => {
        const context = await chromium.newContext()
        const page = await context.newPage()
        await page.goto(start())
        await page.getByRole('button', { name: proof.button }).click()
        await page.getByRole('button', { name: /^Continue to/ }).click()
        await page.getByRole('button', { name: 'I am ann' }).click()
        await page.waitForURL(home())
        const sub = (await page.locator('#sub').textContent()) ?? ''
        expect(sub).toMatch(/^[\w-]{43}$/)
        await page.goto(`${home()}provider`)
        expect(await page.locator('#known').textContent()).toBe('ann')

        const client = createClient({ url: broker.url, identity: trusted })
        const token = await client.getToken(connector, asPerson(sub))
        expect(await upstream.whoIs(token)).toBe('ann')
        expect(stored()).toContain(sub)
        expectNothingSecret(token)
        await context.close()
      })

      it('ends on a page of the framework when the person cancels, with nothing stored', async () => {
        const context = await chromium.newContext()
        const page = await context.newPage()
        await page.goto(start())
        await page.getByRole('button', { name: proof.button }).click()
        await page.getByRole('button', { name: 'Cancel' }).click()
        await page.waitForURL(`${setting.app.origin}${proof.errorPath}*`)
        expect(await page.locator('body').textContent()).toMatch(/\S/)
        await page.goto(home())
        expect(await page.locator('h1').textContent()).toBe('Nobody')
        expectNobody()
        await context.close()
      })
    },
  )

  it('gives two people two names, and neither the token of the other', async () => {
    const [ann, bob] = [await signIn('ann'), await signIn('bob')]
    expect(ann.sub).toMatch(/^[\w-]{43}$/)
    expect(bob.sub).toMatch(/^[\w-]{43}$/)
    expect(bob.sub).not.toBe(ann.sub)
    for (const [{ person }, known] of [
      [ann, 'ann'],
      [bob, 'bob'],
      [ann, 'ann'],
    ] as const)
      expect((await person.open(`${home()}provider`)).html).toContain(`id="known">${known}<`)
    const client = createClient({ url: broker.url, identity: trusted })
    const tokens = [ann, bob].map(({ sub = '' }) => client.getToken(connector, asPerson(sub)))
    expectNothingSecret(...(await Promise.all(tokens)))
  })

  it('knows a person again', async () => {
    const [first, second] = [await signIn('ann'), await signIn('ann')]
    expect(second.sub).toBe(first.sub)
  })

  it('signs nobody in who cancels, and says so on a page of the framework', async () => {
    const { page, sub } = await signIn('ann', 'cancel')
    expect(page.url.href.startsWith(`${setting.app.origin}${proof.errorPath}`)).toBe(true)
    expect(sub).toBeUndefined()
    expectNobody()
  })

  it('does not take an address for proven that the gateway does not call so', async () => {
    const ann = await signIn('ann')
    const ada = await signIn('ada')
    if (proof.unproven === 'nothing') expect(ada.sub).toBeUndefined()
    else expect(ada.sub).toMatch(/^[\w-]{43}$/)
    expect(ada.sub).not.toBe(ann.sub)
    expect((await ada.person.open(home())).html).not.toContain('ann@example.com')
    expect(stored().match(/ann@example\.com/g)).toHaveLength(1)
    expect((await ann.person.open(home())).html).toContain(`id="sub">${ann.sub}<`)
  })

  it('is refused by the broker where the redirect URI is not registered', async () => {
    await attach(broker.owner, connector, 'agent', 'development', {
      subjects: ['user'],
      redirectUris: ['https://app.example/another'],
    })
    const { page, sub } = await signIn('ann')
    expect(page.url.origin).toBe(broker.url)
    expect(page.status).toBe(400)
    expect(page.html).toContain('not registered')
    expect(sub).toBeUndefined()
    expectNobody()
  })

  it.each([
    ['has expired', () => expired(trusted), /The identity from the identity option expired at/],
    ['is none', () => 'not-an-identity', /The gateway answered 401 \(invalid_client\)/],
    ['is missing', () => '', /The identity function did not return a token/],
  ])('says clearly that the identity of the workload %s', async (_case, identity, words) => {
    setting.identity = identity()
    const { page, sub } = await signIn('ann')
    expect(page.url.origin).toBe(setting.app.origin)
    expect(page.url.search).toContain('error=')
    expect(sub).toBeUndefined()
    expect(setting.log.join('\n')).toMatch(words)
    expectNobody()
  })

  /** Somebody who has agreed, and whose browser has not yet gone back to the app. */
  async function comeBack(login = 'ann') {
    const person = createPerson()
    const { url } = await person.signIn(start(), { login, before: setting.redirectUri })
    expect(url.searchParams.get('code')).toMatch(/\S/)
    return { person, url }
  }

  async function expectRefused(person: ReturnType<typeof createPerson>, url: URL) {
    const page = await person.open(url)
    expect(page.url.search).toContain('error=')
    expect((await person.open(home())).html).toContain('Nobody')
    expectNobody()
  }

  it('does not take an answer in the name of another issuer (RFC 9207)', async () => {
    const { person, url } = await comeBack()
    url.searchParams.set('iss', 'https://other.example')
    await expectRefused(person, url)
  })

  it('does not take an answer to the request of another browser', async () => {
    const { url } = await comeBack()
    await expectRefused(createPerson(), url)
  })

  it('does not take the code of another person in the place of one’s own', async () => {
    const [ann, bob] = [await comeBack('ann'), await comeBack('bob')]
    ann.url.searchParams.set('code', bob.url.searchParams.get('code') ?? '')
    await expectRefused(ann.person, ann.url)
    expect(setting.log.join('\n')).toMatch(/invalid_grant/)
  })

  it('is refused by the broker without PKCE, and with a challenge that is the verifier itself', async () => {
    for (const change of [
      (query: URLSearchParams) => query.delete('code_challenge'),
      (query: URLSearchParams) => query.delete('code_challenge_method'),
      (query: URLSearchParams) => query.set('code_challenge_method', 'plain'),
    ]) {
      const person = createPerson()
      const { url } = await person.signIn(start(), { login: 'ann', before: `${broker.url}/oauth/authorize` })
      expect(url.searchParams.get('code_challenge_method')).toBe('S256')
      change(url.searchParams)
      const back = await person.open(url, undefined, setting.redirectUri)
      expect(back.url.searchParams.get('error')).toBe('invalid_request')
      await expectRefused(person, back.url)
    }
  })

  it('redeems a code once, and not without its verifier', async () => {
    const { person, url } = await comeBack()
    const thief = createSignIn(connector, { url: broker.url, identityToken: trusted })
    const stolen = {
      code: url.searchParams.get('code') ?? '',
      redirectUri: setting.redirectUri,
      codeVerifier: 'v'.repeat(43),
    }
    await expect(thief.redeem(stolen)).rejects.toMatchObject({ code: 'invalid_request', status: 400 })
    await person.open(url)
    const signedIn = (await person.open(home())).html
    expect(signedIn).toMatch(/id="sub">[\w-]{43}</)
    expect((await person.open(url)).url.search).toContain('error=')
    await expect(thief.redeem(stolen)).rejects.toMatchObject({ code: 'invalid_request', status: 400 })
    expect((await person.open(home())).html).toBe(signedIn)
  })

  it('ends what a code led to when the code comes a second time', async () => {
    const byHand = 'https://app.example/by-hand'
    await attach(broker.owner, connector, 'agent', 'development', {
      subjects: ['user'],
      redirectUris: [byHand],
    })
    const signIn = createSignIn(connector, { url: broker.url, identityToken: trusted })
    const code = await codeByHand(signIn, byHand, 'bob')
    const { person, scopes } = await signIn.redeem(code)
    expect(person).toMatchObject({ email: 'bob@example.com', emailVerified: true })
    expect(scopes).toEqual(['openid', 'email'])
    const client = createClient({ url: broker.url, identity: trusted })
    expect(await upstream.whoIs(await client.getToken(connector, asPerson(person.sub)))).toBe('bob')
    await expect(signIn.redeem(code)).rejects.toMatchObject({ code: 'invalid_request', status: 400 })
    await expect(
      client.getToken(connector, asPerson(person.sub), { forceRefresh: true }),
    ).rejects.toMatchObject({ code: 'user_authorization_required' })
  })

  return () => setting
}

/** The identity as it was an hour after its end: what can be seen of it without verifying it. */
function expired(identity: string): string {
  const [header, payload = '', signature] = identity.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const past = Buffer.from(JSON.stringify({ ...claims, exp: 1_000 })).toString('base64url')
  return [header, past, signature].join('.')
}
