import type { IncomingMessage, ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider'
import { oauthClient, redirectUri } from './rotating-oidc-consent.ts'

/** oidc-provider with rotation; reuse detection is its default. Access tokens live for an hour. */
export async function createRotatingProvider(issuer: string): Promise<Provider> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return new Provider(issuer, {
    adapter: createAdapter(),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'es-1', use: 'sig', alg: 'ES256' }] },
    clients: [
      {
        client_id: oauthClient.clientId,
        client_secret: oauthClient.clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    cookies: { keys: ['cookie-key-of-the-test'] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: 3600,
      AuthorizationCode: 60,
      Grant: 36_000,
      IdToken: 300,
      Interaction: 300,
      RefreshToken: 36_000,
      Session: 300,
    },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true, allowedPolicy: () => true },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client?.clientId ?? '',
        accountId: context.oidc.account?.accountId ?? '',
      })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
  })
}

/** The provider's own keeps a thousand entries, fewer than a campaign has grants. */
function createAdapter(): (model: string) => Adapter {
  return () => {
    const entries = new Map<string, AdapterPayload>()
    const byUid = new Map<string, string>()
    return {
      async upsert(id, payload) {
        entries.set(id, payload)
        if (payload.uid !== undefined) byUid.set(payload.uid, id)
      },
      find: async (id) => entries.get(id),
      findByUid: async (uid) => entries.get(byUid.get(uid) ?? ''),
      findByUserCode: async () => undefined,
      async consume(id) {
        const entry = entries.get(id)
        if (entry !== undefined) entry.consumed = Math.floor(Date.now() / 1000)
      },
      async destroy(id) {
        entries.delete(id)
      },
      async revokeByGrantId(grantId) {
        for (const [id, entry] of entries) if (entry.grantId === grantId) entries.delete(id)
      },
    }
  }
}

/** Whoever comes is the account that the hint names. */
export async function signIn(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  const login = { accountId: String(params.login_hint) }
  await provider.interactionFinished(request, response, { login })
}
