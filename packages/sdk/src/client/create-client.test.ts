import { describe, expect, it } from 'vitest'
import { countingFetch, errorThrownBy, jwt } from '../test-support/fakes.ts'
import { createClient } from './create-client.ts'

const issuingPoint = { id: 'x', audience: 'x', issueToken: () => Promise.resolve(undefined) }

describe('createClient', () => {
  it.each([
    ['an unknown key', { retries: 'secret-value' }, '"retries"'],
    ['two issuing points', { url: 'https://a.example', issuingPoint }, 'config.issuingPoint'],
    ['a url over plain http', { url: 'http://secret-value.example' }, 'config.url'],
    ['an issuing point without id', { issuingPoint: { ...issuingPoint, id: '' } }, 'issuingPoint.id'],
    [
      'an issuing point without audience',
      { issuingPoint: { ...issuingPoint, audience: undefined } },
      'audience',
    ],
    [
      'an issuing point with a url as origin',
      { issuingPoint: { ...issuingPoint, origin: 'https://a.example/x' } },
      'origin',
    ],
    ['an issuing point that cannot issue', { issuingPoint: { id: 'x', audience: 'x' } }, 'issueToken'],
    ['an identity of another type', { identity: 1 }, 'config.identity'],
    ['a fetch that is none', { fetch: 'secret-value' }, 'config.fetch'],
    ['a clock that is none', { now: 1 }, 'config.now'],
    ['a hook that is none', { onEvent: 1 }, 'config.onEvent'],
    ['a timeout of zero', { timeoutMs: 0 }, 'config.timeoutMs'],
    ['an unknown key of the cache', { cache: { ttl: 1 } }, '"ttl"'],
    ['a cache of nothing', { cache: { maxEntries: 0 } }, 'maxEntries'],
    ['no object', 'secret-value', 'config'],
  ])('refuses %s at once, naming it and not its value', (_what, config, name) => {
    const error = errorThrownBy(() => createClient(config as never))
    expect(error.code).toBe('invalid_request')
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('secret-value')
  })

  it('makes clients that share nothing', async () => {
    const fetch = countingFetch()
    const config = { url: 'https://broker.example/', identity: 'me', fetch }
    const [one, other] = [createClient(config), createClient(config)]
    const params = { subject: { type: 'app' } } as const
    expect(await one.getToken('c', params)).toBe('token-1')
    expect(await other.getToken('c', params)).toBe('token-2')
    expect((await one.getTokenResponse('c', params)).token).toBe('token-1')
    one.deleteTokenCacheEntry('c', params)
    expect(await other.getToken('c', params)).toBe('token-2')
    expect(fetch.seen[0]?.url).toBe('https://broker.example/v1/connect/token/c')
  })

  it('takes Vercel Connect by its address', async () => {
    const fetch = countingFetch()
    const client = createClient({ url: 'https://api.vercel.com', fetch })
    await client.getToken(
      'c',
      { subject: { type: 'app' } },
      { vercelToken: jwt({ aud: 'https://vercel.com/acme' }) },
    )
    expect(fetch.seen[0]?.body).toEqual({ subject: { type: 'app' }, scopes: ['*'] })
  })

  it('asks an identity function with the audience of the issuing point', async () => {
    const audiences: string[] = []
    const client = createClient({
      url: 'https://broker.example/prefix/',
      fetch: countingFetch(),
      identity({ audience, signal }) {
        audiences.push(`${audience} ${signal.aborted}`)
        return 'me'
      },
    })
    await client.getToken('c', { subject: { type: 'app' } })
    expect(audiences).toEqual(['https://broker.example/prefix false'])
  })
})
