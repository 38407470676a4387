import { connect } from '@valetkey/better-auth'
import { createSignIn } from '@valetkey/sdk/sign-in'
import { betterAuth } from 'better-auth'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'
import { describe, expect, it } from 'vitest'
import { attach, createWorkload, developmentIdentity } from './support/operator.ts'
import { createBetterAuth } from './support/sign-in-better-auth.ts'
import { codeByHand } from './support/sign-in-by-hand.ts'
import { createPerson } from './support/sign-in-person.ts'
import { connector, proveSignIn } from './support/sign-in-proof.ts'

describe('Better Auth through the sign-in gateway', () => {
  const setting = proveSignIn({
    create: createBetterAuth,
    callbackPath: '/api/auth/callback/login',
    errorPath: '/api/auth/error',
    button: 'Sign in',
    unproven: 'nothing',
  })

  /** An ID token about ann, as another project that is attached to the same connector gets it: for the same audience. */
  async function idTokenOfAnotherProject(): Promise<string> {
    const { broker } = setting()
    const redirectUri = 'https://other.example/callback'
    const identityToken = await createWorkload(broker.owner, 'other')
    await attach(broker.owner, connector, 'other', 'development', {
      subjects: ['user'],
      redirectUris: [redirectUri],
    })
    const other = createSignIn(connector, { url: broker.url, identityToken })
    const { code, codeVerifier } = await codeByHand(other, redirectUri, 'ann')
    const answer = await other.fetch(other.tokenUrl, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        code_verifier: codeVerifier,
      }),
    })
    return ((await answer.json()) as { id_token: string }).id_token
  }

  it('takes no ID token from a browser, which another project may have been given', async () => {
    const { app, log } = setting()
    const ann = createPerson()
    await ann.signIn(app.framework.start, { login: 'ann' })
    const before = app.framework.dump()
    const token = await idTokenOfAnotherProject()
    const answer = await fetch(`${app.origin}/api/auth/sign-in/social`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: app.origin },
      body: JSON.stringify({ provider: 'login', idToken: { token } }),
    })
    expect(answer.status).toBe(401)
    expect(answer.headers.getSetCookie()).toEqual([])
    expect(await answer.json()).toMatchObject({ code: 'FAILED_TO_GET_USER_INFO' })
    expect(app.framework.dump()).toBe(before)
    expect(log.join('\n')).not.toContain(token)
  })

  it('is linked to a user who is signed in by the address that the gateway calls verified, and by no other', async () => {
    const { app } = setting()
    const api = `${app.origin}/api/auth`
    for (const [login, error] of [
      ['ada', 'unable_to_link_account'],
      ['bob', 'email_does_not_match'],
      ['ann', undefined],
    ] as const) {
      const person = createPerson()
      const account = { email: 'ann@example.com', password: 'a-password-of-the-test', name: 'Ann' }
      const before = await person.send(`${api}/sign-up/email`, account)
      if (!before.ok) await person.send(`${api}/sign-in/email`, account)
      const body = { provider: 'login', callbackURL: '/', errorCallbackURL: '/refused' }
      const begun = (await (await person.send(`${api}/link-social`, body)).json()) as { url: string }
      const { url } = await person.signIn(begun.url, { login, before: app.origin })
      const end = await person.open(url)
      expect(end.url.searchParams.get('error') ?? undefined).toBe(error)
      const home = await person.open(`${app.origin}/`)
      if (error === undefined) expect(home.html).toMatch(/id="sub">[\w-]{43}</)
      else expect(home.html).toContain('Nobody')
    }
    expect(app.framework.dump()).not.toMatch(/eyJ[\w-]+\.eyJ/)
  })

  it('has no token to give out or to refresh', async () => {
    const { app } = setting()
    const ann = createPerson()
    await ann.signIn(app.framework.start, { login: 'ann' })
    for (const path of ['get-access-token', 'refresh-token']) {
      const answer = await fetch(`${app.origin}/api/auth/${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          origin: app.origin,
          cookie: ann.cookies(app.origin),
        },
        body: JSON.stringify({ providerId: 'login' }),
      })
      expect(answer.status).toBe(400)
    }
  })

  it('names the identity of another environment as the reason in its log, and signs nobody in', async () => {
    const now = setting()
    const { broker, app, log } = now
    now.identity = await developmentIdentity(broker.owner, 'agent', 'preview')
    const page = await createPerson().signIn(app.framework.start, { login: 'ann' })
    expect(page.url.searchParams.get('error')).toBe('invalid_code')
    expect(log.join('\n')).toContain('This connector is not linked to the project and environment')
    expect(app.framework.dump()).not.toContain('ann@example.com')
  })

  it('starts while the broker is away, and signs nobody in until it has been there', async () => {
    const { broker } = setting()
    let isAway = true
    const real = globalThis.fetch
    globalThis.fetch = async (input, init) => {
      if (isAway && String(input).startsWith(broker.url)) throw new TypeError('fetch failed')
      return real(input, init)
    }
    try {
      const auth = betterAuth({
        baseURL: 'http://localhost:3000',
        secret: 'a-secret-of-the-test-that-is-long-enough',
        logger: { disabled: true },
        plugins: [genericOAuth({ config: [connect({ providerId: 'login', connector, url: broker.url })] })],
      })
      const begin = () => auth.api.signInSocial({ body: { provider: 'login', callbackURL: '/' } })
      await expect(begin()).rejects.toMatchObject({ body: { code: 'PROVIDER_NOT_FOUND' } })
      isAway = false
      expect((await begin()).url).toMatch(`${broker.url}/oauth/authorize?`)
    } finally {
      globalThis.fetch = real
    }
  })
})
