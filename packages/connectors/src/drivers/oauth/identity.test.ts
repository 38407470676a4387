import { generateKeyPair, SignJWT } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import type { FakeAnswer } from '../../test-server.ts'
import { access, closeFakes, consent, fake, now, settingsAt, start } from './test-connector.ts'

afterEach(closeFakes)

const { privateKey } = await generateKeyPair('RS256')
const signIn = { ...start, signIn: true }

/** Signs in at a server whose ID token and userinfo say what is given; both are of the same person. */
async function identify(idToken: object, userinfo: FakeAnswer | object) {
  const answers: Record<string, FakeAnswer> = {
    '/me': 'status' in userinfo ? userinfo : { json: { sub: 's-1', ...userinfo } },
  }
  const server = await fake(answers)
  const settings = settingsAt(server.url, {
    serverConfig: {
      issuer: server.url,
      authorizationEndpoint: `${server.url}/authorize`,
      tokenEndpoint: `${server.url}/token`,
      userinfoEndpoint: `${server.url}/me`,
    },
  })
  const started = await consent.start(settings, signIn, access)
  if ('outcome' in started) throw new Error(started.message)
  const { pending } = started
  answers['/token'] = {
    json: {
      access_token: 'at-1',
      token_type: 'bearer',
      id_token: await new SignJWT({ ...idToken, nonce: pending.nonce })
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(server.url)
        .setSubject('s-1')
        .setAudience('client-1')
        .setIssuedAt(now / 1000)
        .setExpirationTime(now / 1000 + 60)
        .sign(privateKey),
    },
  }
  const url = new URL(`${start.redirectUri}?state=the-state&code=c-1&iss=${encodeURIComponent(server.url)}`)
  const finished = await consent.finish(settings, { url, start: signIn, pending }, access)
  if (finished.outcome === 'refused') throw new Error(finished.message)
  return finished.identity
}

describe('who signed in', () => {
  test('has the name and the address of userinfo where the ID token holds none', async () => {
    expect(await identify({}, { name: 'Ann', email: 'ann@b.example', email_verified: true })).toEqual({
      externalSubject: 's-1',
      name: 'Ann',
      claims: { name: 'Ann', email: 'ann@b.example', emailVerified: true },
    })
  })

  test('has those of the ID token before those of userinfo', async () => {
    const { claims } = await identify(
      { name: 'Ann', email: 'ann@b.example', email_verified: true },
      { name: 'Other', email: 'other@b.example', email_verified: false, picture: 'https://b.example/a.png' },
    )
    expect(claims).toEqual({
      name: 'Ann',
      email: 'ann@b.example',
      emailVerified: true,
      picture: 'https://b.example/a.png',
    })
  })

  test.each([
    ['userinfo', { email: 'ann@b.example' }, { email: 'other@b.example', email_verified: true }],
    ['the ID token', { email_verified: true }, { email: 'ann@b.example' }],
    ['an ID token without a usable address', { email: 7, email_verified: true }, { email: 'ann@b.example' }],
  ])('an address is not verified by what %s says of another', async (_where, idToken, userinfo) => {
    expect((await identify(idToken, userinfo)).claims).toEqual({ email: 'ann@b.example' })
  })

  test.each(['true', 1, {}, null])('an address is not verified by %j', async (verified) => {
    const idToken = { email: 'ann@b.example', email_verified: verified }
    expect((await identify(idToken, {})).claims).toEqual({ email: 'ann@b.example' })
  })

  test('is known by the ID token when userinfo fails, or speaks of another person', async () => {
    for (const userinfo of [{ status: 500 }, { sub: 's-2', email: 'other@b.example' }])
      expect(await identify({ name: 'Ann' }, userinfo)).toEqual({
        externalSubject: 's-1',
        name: 'Ann',
        claims: { name: 'Ann' },
      })
  })
})
