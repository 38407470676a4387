import { createClient } from '@valetkey/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startLibrary, startServe, type TestBroker } from './support/broker.ts'
import { type IdentityProvider, startIdentityProvider } from './support/oidc-provider.ts'
import { attach, createConnector, type Operator } from './support/operator.ts'
import { refusalOf } from './support/rejection.ts'

const app = { subject: { type: 'app' } } as const

interface Explanation {
  readonly allowed: boolean
  readonly reason: string
  readonly environment?: string
  readonly rules: readonly { readonly id: string; readonly matched: boolean; readonly reason: string }[]
  readonly token: { readonly accepted: boolean; readonly reason?: string }
}

/** A project in production that trusts one subject of an issuer, with a connector it may use. */
async function trustSubject(owner: Operator, issuer: string, sub = 'workload-1'): Promise<void> {
  await owner.call('POST', '/v1/projects', { name: 'agent' })
  await owner.call('POST', '/v1/projects/agent/trust', {
    environment: 'production',
    issuer,
    audience: 'agent-client',
    claims: { sub },
  })
  await createConnector(owner, 'api-key', 'weather', { value: 'weather-key' })
  await attach(owner, 'api-key/weather', 'agent', 'production')
}

describe('ID tokens of oidc-provider, at a server that trusts one subject of it', () => {
  let broker: TestBroker
  let provider: IdentityProvider
  beforeAll(async () => {
    provider = await startIdentityProvider(['agent-client', 'another-client'])
    broker = await startServe({ VALETKEY_EGRESS_ALLOW: '127.0.0.1' })
    await trustSubject(broker.owner, provider.issuer)
  })
  afterAll(async () => {
    await broker.close()
    await provider.close()
  })

  const client = () => createClient({ url: broker.url })
  const explain = (token: string) =>
    broker.owner.call<Explanation>('POST', '/v1/projects/agent/explain', { token })

  it('get a token through the SDK', async () => {
    const identityToken = await provider.idToken('agent-client')
    expect(await client().getToken('api-key/weather', app, { identityToken })).toBe('weather-key')
    expect(await explain(identityToken)).toMatchObject({
      allowed: true,
      environment: 'production',
      token: { accepted: true },
      rules: [{ matched: true }],
    })
  })

  it('are asked for again for every call when the identity is a function', async () => {
    const audiences: string[] = []
    const identity = async ({ audience }: { readonly audience: string }) => {
      audiences.push(audience)
      return provider.idToken('agent-client')
    }
    const asking = createClient({ url: broker.url, identity })
    expect(await asking.getToken('api-key/weather', app)).toBe('weather-key')
    expect(await asking.getToken('api-key/weather', app)).toBe('weather-key')
    expect(audiences).toEqual([broker.url, broker.url])
  })

  it('of another client of the same provider are refused, and explain says that it is aud', async () => {
    const identityToken = await provider.idToken('another-client')
    const error = await refusalOf(client().getToken('api-key/weather', app, { identityToken }))
    expect(error).toMatchObject({ code: 'identity_invalid', status: 401, retryable: false })
    expect(error.message).not.toContain('audience')
    const explained = await explain(identityToken)
    expect(explained).toMatchObject({
      allowed: false,
      token: { accepted: false },
      rules: [{ matched: false }],
    })
    expect(explained.rules[0]?.reason).toBe('aud: expected "agent-client", the token has "another-client"')
  })

  it('are refused with a changed claim, and explain says that it is the signature', async () => {
    const token = await provider.idToken('agent-client')
    const [header = '', payload = '', signature = ''] = token.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Record<string, unknown>
    const changed = Buffer.from(JSON.stringify({ ...claims, exp: Number(claims.exp) + 60 })).toString(
      'base64url',
    )
    const identityToken = `${header}.${changed}.${signature}`
    expect(await refusalOf(client().getToken('api-key/weather', app, { identityToken }))).toMatchObject({
      code: 'identity_invalid',
    })
    expect((await explain(identityToken)).token).toMatchObject({ accepted: false, reason: 'wrong signature' })
  })

  it('are refused by a rule for another subject, which explain names', async () => {
    await broker.owner.call('POST', '/v1/projects', { name: 'stranger' })
    await broker.owner.call('POST', '/v1/projects/stranger/trust', {
      environment: 'production',
      issuer: provider.issuer,
      audience: 'agent-client',
      claims: { sub: 'workload-2' },
    })
    const token = await provider.idToken('agent-client')
    const explained = await broker.owner.call<Explanation>('POST', '/v1/projects/stranger/explain', { token })
    expect(explained.allowed).toBe(false)
    expect(explained.rules[0]).toMatchObject({ matched: false })
    expect(explained.rules[0]?.reason).toContain('sub')
    await broker.owner.call('DELETE', '/v1/projects/stranger')
  })
})

describe('ID tokens of a provider that replaces its keys', () => {
  it('are accepted with the new key and no longer with the old one', async () => {
    let shiftMs = 0
    const provider = await startIdentityProvider(['agent-client'])
    const broker = await startLibrary({ egressAllow: ['127.0.0.1'], now: () => Date.now() + shiftMs })
    try {
      await trustSubject(broker.owner, provider.issuer)
      const client = createClient({ url: broker.url, fetch: broker.fetch })
      const old = await provider.idToken('agent-client')
      expect(await client.getToken('api-key/weather', app, { identityToken: old })).toBe('weather-key')

      await provider.rotateKeys()
      const renewed = await provider.idToken('agent-client')
      // Anyone can write a key id: the broker asks again at most every 30 seconds.
      shiftMs = 31_000
      const fresh = { forceRefresh: true }
      expect(await client.getToken('api-key/weather', app, { identityToken: renewed, ...fresh })).toBe(
        'weather-key',
      )
      const error = await refusalOf(client.getToken('api-key/weather', app, { identityToken: old, ...fresh }))
      expect(error.code).toBe('identity_invalid')
    } finally {
      await broker.close()
      await provider.close()
    }
  })
})

describe('a server that may not reach the issuer', () => {
  it('answers unavailable and says nothing of the network', async () => {
    const provider = await startIdentityProvider(['agent-client'])
    // Loopback over http is for those who allow it; 127.0.0.2 is not the provider.
    const broker = await startServe({ VALETKEY_EGRESS_ALLOW: '127.0.0.2' })
    try {
      await trustSubject(broker.owner, provider.issuer)
      const identityToken = await provider.idToken('agent-client')
      const options = { identityToken, timeoutMs: 3_000 }
      const error = await refusalOf(
        createClient({ url: broker.url }).getToken('api-key/weather', app, options),
      )
      expect(error).toMatchObject({ code: 'unavailable', status: 503, retryable: true })
      expect(error.message).not.toContain('127.0.0.1')
      const explained = await broker.owner.call<Explanation>('POST', '/v1/projects/agent/explain', {
        token: identityToken,
      })
      expect(explained.token).toMatchObject({ accepted: false })
      expect(explained.token.reason).toMatch(/egress|VALETKEY_EGRESS_ALLOW|reach/i)
    } finally {
      await broker.close()
      await provider.close()
    }
  })
})
