import { Auth, type AuthConfig } from '@auth/core'
import { decode } from '@auth/core/jwt'
import { connect } from '@valetkey/authjs'
import { describe, expect, it } from 'vitest'
import { developmentIdentity } from './support/operator.ts'
import { createAuthjs } from './support/sign-in-authjs.ts'
import { createPerson } from './support/sign-in-person.ts'
import { connector, proveSignIn } from './support/sign-in-proof.ts'

const secret = 'a-secret-of-the-test-that-is-long-enough'

describe('Auth.js through the sign-in gateway', () => {
  const setting = proveSignIn({
    create: createAuthjs,
    callbackPath: '/auth/callback/login',
    errorPath: '/auth/',
    button: 'Sign in with the broker',
    unproven: 'a user of her own without an address',
  })

  it('insists on the name of the issuer in the answer (RFC 9207)', async () => {
    const { app, redirectUri, log } = setting()
    const person = createPerson()
    const { url } = await person.signIn(app.framework.start, { login: 'ann', before: redirectUri })
    url.searchParams.delete('iss')
    expect((await person.open(url)).url.searchParams.get('error')).toBe('Configuration')
    expect(log.join('\n')).toContain('"iss" (issuer) missing')
    expect(app.framework.dump()).not.toContain('ann@example.com')
  })

  it('names the identity of another environment as the reason in its log, and signs nobody in', async () => {
    const now = setting()
    const { broker, app, log } = now
    now.identity = await developmentIdentity(broker.owner, 'agent', 'preview')
    const page = await createPerson().signIn(app.framework.start, { login: 'ann' })
    expect(page.url.searchParams.get('error')).toBe('Configuration')
    expect(log.join('\n')).toContain('This connector is not linked to the project and environment')
    expect(app.framework.dump()).not.toContain('ann@example.com')
  })

  it('names the person in a session without a database, and puts no token there', async () => {
    const { broker, app, identity, redirectUri } = setting()
    const config: AuthConfig = {
      secret,
      trustHost: true,
      basePath: '/auth',
      providers: [
        connect({ id: 'login', name: 'the broker', connector, url: broker.url, identityToken: identity }),
      ],
      callbacks: {
        jwt: ({ token, account }) => (account ? { ...token, sub: account.providerAccountId } : token),
      },
    }
    // The same app, by this configuration.
    app.framework.handle = (request) => Auth(request, config)
    const person = createPerson()
    await person.signIn(app.framework.start, { login: 'ann' })
    const name = 'authjs.session-token'
    const cookie = new RegExp(`${name}=([^;]+)`).exec(person.cookies(redirectUri))?.[1]
    const session = await decode({ token: cookie ?? '', secret, salt: name })
    expect(session).toEqual({
      sub: expect.stringMatching(/^[\w-]{43}$/),
      name: 'Ann',
      email: 'ann@example.com',
      picture: null,
      iat: expect.any(Number),
      exp: expect.any(Number),
      jti: expect.any(String),
    })
  })
})
