import { describe, expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { issuingPointAt, vercelConnect } from '../issuing-point/choose-issuing-point.ts'
import {
  brokerUrl,
  countingFetch,
  environment,
  errorOf,
  inAnHourSeconds,
  jwt,
  testContext,
} from '../test-support/fakes.ts'
import { isForeignAudience } from './foreign-audience.ts'

const app = { subject: { type: 'app' } } as const
const broker = issuingPointAt(`${brokerUrl}/prefix`, 'url', environment({}))
const local = issuingPointAt('http://127.0.0.1:4570', 'url', environment({}))

const foreign = [
  'sts.amazonaws.com',
  'pods.eks.amazonaws.com',
  'api://AzureADTokenExchange',
  'https://kubernetes.default.svc',
  'https://kubernetes.default.svc.cluster.local',
  'https://management.azure.com',
  'https://management.azure.com/',
  'https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
  '//iam.googleapis.com/projects/1',
  'https://github.com/acme',
  'https://vercel.com/acme',
  'https://broker.example.evil.example',
  'https://broker.example:8443',
  'http://broker.example',
  'HTTPS://evil.example',
  'https://user@evil.example',
  'https://',
]

describe('an audience', () => {
  it.each(foreign)('S14 %s is another party for a broker', (audience) => {
    expect(isForeignAudience(audience, broker)).toBe(true)
  })

  it.each([`${brokerUrl}/prefix`, brokerUrl, `${brokerUrl}/other`, 'valetkey', 'urn:acme:broker'])(
    'S14 %s may be the broker’s own',
    (audience) => {
      expect(isForeignAudience(audience, broker)).toBe(false)
    },
  )

  it('S14 of one name of this machine is good for another with the same port', () => {
    expect(isForeignAudience('http://localhost:4570', local)).toBe(false)
    expect(isForeignAudience('http://localhost:4571', local)).toBe(true)
    expect(isForeignAudience('https://localhost:4570', local)).toBe(true)
  })

  it('S14 of Vercel is right for Vercel Connect alone', () => {
    const connect = vercelConnect(environment({}))
    expect(isForeignAudience('https://vercel.com/acme', connect)).toBe(false)
    expect(isForeignAudience('https://vercel.com.evil.example/acme', connect)).toBe(true)
    expect(isForeignAudience(brokerUrl, connect)).toBe(true)
  })

  it('S14 is compared with the audience of a custom issuing point that names no origin', () => {
    const custom = { audience: 'https://sts.example/t', origin: undefined, isVercelConnect: false }
    expect(isForeignAudience('https://sts.example/other', custom)).toBe(false)
    expect(isForeignAudience('https://evil.example', custom)).toBe(true)
    expect(isForeignAudience('https://evil.example', { ...custom, audience: 'name' })).toBe(true)
  })
})

describe('an identity', () => {
  const send = async (identityToken: string | (() => string)) => {
    const fetch = countingFetch()
    const outcome = await errorOf(getTokenIn(testContext({ fetch }), 'c', app, { identityToken }))
    return { error: outcome, sent: fetch.seen.length }
  }

  it.each(foreign)(
    'S14 for %s is never sent, alone or in a list, by string or function',
    async (audience) => {
      for (const aud of [audience, [audience], [brokerUrl, audience]]) {
        const token = jwt({ aud, exp: inAnHourSeconds })
        for (const identity of [token, () => token]) {
          const { error, sent } = await send(identity)
          expect([error.code, sent]).toEqual(['identity_unavailable', 0])
          expect(error.message).not.toContain(token)
        }
      }
    },
  )

  it('S14 for this issuing point, for a name, for nobody, or opaque is sent', async () => {
    for (const token of [
      jwt({ aud: brokerUrl }),
      jwt({ aud: ['valetkey'] }),
      jwt({}),
      'vk_opaque',
      'a.b.c',
      'a.b',
    ]) {
      const fetch = countingFetch()
      await getTokenIn(testContext({ fetch }), 'c', app, { identityToken: token })
      expect(fetch.seen[0]?.headers.get('authorization')).toBe(`Bearer ${token}`)
    }
  })

  it('S14 that expired stops with when and what to do', async () => {
    const expired = jwt({ aud: brokerUrl, exp: 1_700_000_000 })
    const fetch = countingFetch()
    const variables = {
      VALETKEY_URL: brokerUrl,
      VALETKEY_ID_TOKEN: expired,
      VALETKEY_ACCESS_TOKEN: 'vk_still_good',
      VERCEL_OIDC_TOKEN: jwt({ aud: 'https://vercel.com/acme', exp: inAnHourSeconds }),
    }
    const error = await errorOf(getTokenIn(testContext({ fetch }, variables), 'c', app, undefined))
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toBe(
      'The identity from id-token expired at 2023-11-14T22:13:20.000Z: run `valetkey env pull` for a new one',
    )
    expect(fetch.seen).toHaveLength(0)
    expect((await send(expired)).error.message).toContain('expired at 2023-11-14')
  })

  it.each([['with\nnewline'], ['with space'], ['ünïcode'], ['   '], ['x\u0000']])(
    'S14 that no header could carry is refused without being quoted: %j',
    async (identity) => {
      const { error, sent } = await send(identity)
      expect([error.code, sent]).toEqual(['identity_unavailable', 0])
      expect(error.message).not.toContain(identity.trim() || 'never')
    },
  )

  it('that a function throws about is unavailable; its result is checked', async () => {
    const throwing = (): string => {
      throw new Error('no session')
    }
    const { error } = await send(throwing)
    expect([error.code, (error.cause as Error).message]).toEqual(['identity_unavailable', 'no session'])
    expect((await send((() => undefined) as never)).error.code).toBe('identity_unavailable')
  })
})
