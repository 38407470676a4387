import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEgress, type Egress } from '../egress/egress-fetch.ts'
import { silentLog } from '../log.ts'
import { createIdentityVerifier } from './identity-token.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { parseTrustRule, type TrustRule } from './trust-rule.ts'

const clientId = 'broker'
const redirectUri = 'https://app.example/callback'

/** A certified OpenID Provider, unchanged, on loopback; it logs everyone in. */
async function startProvider() {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'es-1', use: 'sig', alg: 'ES256' }] },
    clients: [
      {
        client_id: clientId,
        client_secret: 'a-secret-of-the-test',
        redirect_uris: [redirectUri],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    cookies: { keys: ['cookie-key-of-the-test'] },
    pkce: { required: () => false },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({
        clientId,
        accountId: context.oidc.account?.accountId ?? '',
      })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
  })
  const handle = provider.callback()
  server.on('request', (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) return handle(request, response)
    const result = { login: { accountId: 'workload-1' } }
    return provider.interactionFinished(request, response, result).catch(() => response.destroy())
  })
  return { issuer, server }
}

/** Goes through the authorization code flow as a browser and a client would. */
async function obtainIdToken(issuer: string): Promise<string> {
  const cookies = new Map<string, string>()
  let url = `${issuer}/auth?client_id=${clientId}&response_type=code&scope=openid&redirect_uri=${encodeURIComponent(redirectUri)}`
  for (let step = 0; step < 6 && !url.startsWith(redirectUri); step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    url = new URL(response.headers.get('location') ?? '', url).href
  }
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:a-secret-of-the-test`)}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: new URL(url).searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
    }),
  })
  const { id_token: token } = (await answer.json()) as { id_token?: string }
  if (token === undefined) throw new Error('the provider gave no ID token')
  return token
}

describe('a real OpenID Provider', () => {
  let running: Awaited<ReturnType<typeof startProvider>>
  let egress: Egress
  let token: string
  beforeAll(async () => {
    running = await startProvider()
    token = await obtainIdToken(running.issuer)
    egress = createEgress({ allow: [], allowLoopback: true })
  })
  afterAll(async () => {
    await egress.close()
    running.server.closeAllConnections()
    await new Promise((resolve) => running.server.close(resolve))
  })

  function verifier(change: { readonly sub?: string; readonly fetch?: typeof globalThis.fetch } = {}) {
    const written = parseTrustRule(
      {
        environment: 'production',
        issuer: running.issuer,
        audience: clientId,
        claims: { sub: change.sub ?? 'workload-*' },
        maxAgeSeconds: 3_600,
      },
      { publicUrl: 'http://127.0.0.1:4570', allowHttpLoopback: true },
    )
    if (!written.ok) throw new Error(JSON.stringify(written.refusal))
    const rule: TrustRule = { id: 'tr_1', projectId: 'prj_1', projectName: 'site', ...written.value }
    return createIdentityVerifier({
      rules: { rulesFor: async (issuer) => (issuer === rule.issuer ? [rule] : []) },
      keys: createIssuerKeys({ fetch: change.fetch ?? egress.fetch, now: Date.now, log: silentLog }),
      now: Date.now,
      development: undefined,
    })
  }

  it('its ID token is accepted by a rule, with keys fetched over the egress', async () => {
    expect(await verifier()(token)).toMatchObject({
      ok: true,
      value: { projectId: 'prj_1', environment: 'production', subject: 'workload-1', issuer: running.issuer },
    })
  })

  it('S09 its ID token is refused by a rule for another subject', async () => {
    expect(await verifier({ sub: 'workload' })(token)).toEqual({
      ok: false,
      refusal: { reason: 'claims_unmatched' },
    })
  })

  it('S12 its ID token is refused with another signature', async () => {
    const [header, payload, signature = ''] = token.split('.')
    const other = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`
    expect(await verifier()(`${header}.${payload}.${other}`)).toMatchObject({
      refusal: { reason: 'signature_invalid' },
    })
  })

  it('S13 its keys are not fetched over a production egress, because it is on loopback', async () => {
    const production = createEgress({ allow: [], allowLoopback: false })
    expect(await verifier({ fetch: production.fetch })(token)).toMatchObject({
      refusal: { reason: 'issuer_unreachable' },
    })
    await production.close()
  })
})
