import { createMCPClient, type MCPConnectionError } from '@tanstack/ai-mcp'
import { createClient } from '@valetkey/sdk'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  type ConnectAuthProvider,
  type ConnectMCPTransport,
  type ConsentChallenge,
  connectMCPTransport,
  getConsentChallenge,
} from './index.ts'

type Transport = Parameters<typeof createMCPClient>[0]['transport']

const user = { subject: { type: 'user', id: 'ann' } } as const

/** A client of an issuing point that wants consent, and the addresses of everything that was sent. */
function withoutConsent() {
  const sent: string[] = []
  const fetch: typeof globalThis.fetch = async (input) => {
    sent.push(new URL(String(input)).pathname)
    if (String(input).includes('/authorize/'))
      return Response.json({
        url: 'https://broker.example/consent/ask_1',
        request: 'ask_1',
        verifier: 'the-secret-verifier',
        expiresAt: Date.now() + 600_000,
        connector: { id: 'scl_1', uid: 'linear/mybot', type: 'linear', name: 'mybot' },
      })
    const error = { code: 'user_authorization_required', message: 'Consent is missing', requestId: 'r' }
    return Response.json({ error }, { status: 422 })
  }
  return { sent, client: createClient({ url: 'https://broker.example', identity: 'me', fetch }) }
}

describe('connectMCPTransport', () => {
  it('is a transport of the framework, without a cast', () => {
    expectTypeOf<ConnectMCPTransport>().toExtend<Transport>()
    expectTypeOf<ConnectAuthProvider>().toExtend<
      NonNullable<Extract<Transport, { type: 'http' }>['authProvider']>
    >()
  })

  it('keeps what it was given, and adds what has the credential', () => {
    const { client } = withoutConsent()
    const config = { type: 'http', url: 'https://mcp.example/mcp', headers: { 'x-own': '1' } } as const
    const transport = connectMCPTransport(config, 'linear/mybot', user, { client })
    expect(transport).toEqual({ ...config, authProvider: expect.anything(), fetch: expect.any(Function) })
  })

  it.each(['http', 'sse'] as const)(
    'asks for consent once, and sends nothing to the server: %s',
    async (type) => {
      const { client, sent } = withoutConsent()
      const challenges: ConsentChallenge[] = []
      const transport = connectMCPTransport({ type, url: 'https://mcp.example/mcp' }, 'linear/mybot', user, {
        client,
        onConsentRequired: (challenge) => void challenges.push(challenge),
      })
      const error = await createMCPClient({ transport }).catch((caught: MCPConnectionError) => caught)
      const challenge = getConsentChallenge(error)
      expect(challenge?.verifier).toBe('the-secret-verifier')
      expect(challenges).toEqual([challenge])
      expect(sent).toEqual(['/v1/connect/token/linear%2Fmybot', '/v1/connect/authorize/linear%2Fmybot'])
    },
  )
})
