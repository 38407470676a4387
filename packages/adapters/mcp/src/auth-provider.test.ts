import { describe, expect, it, vi } from 'vitest'
import { type ConnectAuthProviderOptions, connectAuthProvider } from './auth-provider.ts'
import { getConsentChallenge } from './consent-required.ts'
import { rejectionOf, testIssuingPoint } from './test-issuing-point.ts'

const user = { subject: { type: 'user', id: 'ann' } } as const
const anywhere = new URL('https://valetkey.invalid/authorize')

function provide(options: Omit<ConnectAuthProviderOptions, 'client'> = {}) {
  const point = testIssuingPoint()
  const { client } = point
  return { point, client, provider: connectAuthProvider('linear/mybot', user, { client, ...options }) }
}

describe('connectAuthProvider', () => {
  it('gives the token of the moment, without a refresh token', async () => {
    const { provider, point } = provide()
    const tokens = await provider.tokens()
    expect(tokens).toMatchObject({ access_token: 'token-1', token_type: 'Bearer' })
    expect(tokens?.expires_in).toBeGreaterThan(3590)
    expect(tokens?.expires_in).toBeLessThanOrEqual(3600)
    expect(tokens).not.toHaveProperty('refresh_token')
    await provider.tokens()
    expect(point.asked).toHaveLength(1)
  })

  it('names nobody whom a client could ask, and one issuer throughout', async () => {
    const { provider } = provide()
    const state = provider.discoveryState()
    const { issuer, authorization_endpoint, token_endpoint } = state.authorizationServerMetadata
    for (const address of [issuer, authorization_endpoint, token_endpoint, state.resourceMetadata.resource])
      expect(new URL(address).hostname).toBe('valetkey.invalid')
    expect(provider.clientInformation().issuer).toBe(issuer)
    expect((await provider.tokens())?.issuer).toBe(issuer)
    expect(state.authorizationServerUrl).toBe(issuer)
    expect(await provider.validateResourceURL('https://mcp.example', 'https://other.example')).toBeUndefined()
    expect(() => provider.codeVerifier()).toThrow('completeAuthorization')
  })

  it('always has a redirect URL, without which clients would ask for client credentials', () => {
    expect(provide().provider.redirectUrl).toBe('https://valetkey.invalid/callback')
    const { provider } = provide({ redirectUrl: 'https://app.example/connected' })
    expect(provider.redirectUrl).toBe('https://app.example/connected')
    expect(provider.clientMetadata.redirect_uris).toEqual([provider.redirectUrl])
  })

  it('has no token where consent is missing, and raises that once the server has refused', async () => {
    const { provider, point } = provide()
    point.consented = false
    expect(await provider.tokens()).toBeUndefined()
    provider.clientInformation()
    const error = await rejectionOf(provider.redirectToAuthorization(anywhere))
    expect(getConsentChallenge(error)).toMatchObject({ connector: 'linear/mybot', request: 'ask_1' })
    expect(point.asked.map(({ route }) => route)).toEqual(['token', 'authorize'])
  })

  it('raises it before anything is sent where told to', async () => {
    const { provider, point } = provide({ consent: 'eager' })
    point.consented = false
    expect(getConsentChallenge(await rejectionOf(provider.tokens()))?.request).toBe('ask_1')
    expect(point.asked.map(({ route }) => route)).toEqual(['token', 'authorize'])
  })

  it('starts the consent as its options say, and tells who asked to be told', async () => {
    const onConsentRequired = vi.fn()
    const { provider, point } = provide({
      redirectUrl: 'https://app.example/connected',
      deviceCode: true,
      binding: 'consent',
      webhook: 'https://app.example/hook',
      identityToken: () => 'another-identity',
      onConsentRequired,
    })
    point.consented = false
    const error = await rejectionOf(provider.validateAuthorizationServerURL('https://a', 'https://b'))
    expect(point.asked.at(-1)?.headers.get('authorization')).toBe('Bearer another-identity')
    expect(point.asked.at(-1)?.body).toMatchObject({
      subject: user.subject,
      returnUrl: 'https://app.example/connected',
      deviceCode: true,
      webhook: 'https://app.example/hook',
    })
    expect(point.asked.at(-1)?.body).not.toHaveProperty('binding')
    expect(onConsentRequired.mock.calls).toEqual([[getConsentChallenge(error)]])
    expect(onConsentRequired.mock.calls[0]?.[0].verifier).toBe('the-secret-verifier')
  })

  it('throws what `onConsentRequired` throws', async () => {
    const redirect = new Error('redirect')
    const { provider, point } = provide({
      onConsentRequired() {
        throw redirect
      },
    })
    point.consented = false
    expect(await rejectionOf(provider.redirectToAuthorization(anywhere))).toBe(redirect)
  })

  it('reports the token that was handed out when the client began to deal with the 401', async () => {
    const { provider, point, client } = provide()
    await provider.tokens()
    provider.clientInformation()
    // Meanwhile another caller had it replaced, and the client asks for tokens once more.
    expect(await client.getToken('linear/mybot', user, { rejectedToken: 'token-1' })).toBe('token-2')
    expect((await provider.tokens())?.access_token).toBe('token-2')
    const error = await rejectionOf(provider.redirectToAuthorization(anywhere))
    expect(error).toMatchObject({ code: 'provider_error', retryable: true, connector: 'linear/mybot' })
    expect(point.asked.map(({ body }) => body.rejectedTokenId)).toEqual([undefined, 'stk_1'])
  })

  it.each([
    ['redirectToAuthorization', 'validateAuthorizationServerURL'],
    ['validateAuthorizationServerURL', 'redirectToAuthorization'],
  ] as const)(
    'has one token replaced, and asks for consent when the next is rejected too: %s, %s',
    async (...hooks) => {
      const { provider, point } = provide()
      const outcomes: unknown[] = []
      for (const hook of hooks) {
        await provider.tokens()
        provider.clientInformation()
        outcomes.push(await rejectionOf(provider[hook](anywhere, anywhere)))
      }
      expect(outcomes[0]).toMatchObject({ retryable: true })
      expect(getConsentChallenge(outcomes[1])).toBeDefined()
      expect(point.asked.map(({ route }) => route)).toEqual(['token', 'token', 'authorize'])
    },
  )

  it('says no word of a token or verifier', async () => {
    const { provider } = provide()
    await provider.tokens()
    provider.clientInformation()
    const again = await rejectionOf(provider.redirectToAuthorization(anywhere))
    expect(`${again} ${JSON.stringify(again)}`).not.toMatch(/token-\d|verifier/)
  })
})
