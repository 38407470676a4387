import type { RequestListener } from 'node:http'
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import Provider, { errors } from 'oidc-provider'

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const exchangeClient = { clientId: 'agent-client', clientSecret: 'secret-of-the-agent' } as const
export const upstreamClient = { clientId: 'broker-client', clientSecret: 'secret-of-the-broker' } as const

/** An authorization server that is nothing of ours: oidc-provider, unchanged, with a grant registered for RFC 8693. */
export interface ForeignServer {
  readonly listener: RequestListener
  /** What the server knows of a token it issued. */
  find(token: string): Promise<{ readonly client: string; readonly subject: string | undefined } | undefined>
}

/** One that exchanges what `trustedIssuer` signs for `issuer`, for tokens of these audiences. */
export async function createForeignServer(
  issuer: string,
  trustedIssuer: string,
  audiences: readonly string[],
): Promise<ForeignServer> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const client = (id: { readonly clientId: string; readonly clientSecret: string }, grant: string) => ({
    client_id: id.clientId,
    client_secret: id.clientSecret,
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: 'ES256' as const,
    grant_types: [grant],
  })
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'es-1', use: 'sig', alg: 'ES256' }] },
    clients: [client(exchangeClient, grantType), client(upstreamClient, 'client_credentials')],
    scopes: ['openid', 'read', 'write'],
    cookies: { keys: ['cookie-key-of-the-test'] },
    ttl: { ClientCredentials: 300 },
    features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true } },
  })
  const subjects = new Map<string, string>()
  const keys = createRemoteJWKSet(new URL(`${trustedIssuer}/jwks`))

  provider.registerGrantType<ExchangeParams>(
    grantType,
    async (context) => {
      const { client, params } = context.oidc
      const subject = await jwtVerify(params.subject_token ?? '', keys, {
        issuer: trustedIssuer,
        audience: issuer,
      })
        .then(({ payload }) => payload.sub)
        .catch(() => undefined)
      if (subject === undefined) throw new errors.InvalidGrant('subject_token is not acceptable')
      if (!audiences.includes(params.audience ?? '')) throw new errors.InvalidTarget('no such audience')
      if (params.requested_subject !== undefined)
        throw new errors.CustomOIDCProviderError('interaction_required', 'nobody of that name has agreed')
      const scope = params.scope ?? 'read'
      if (scope.split(' ').some((one) => one !== 'read' && one !== 'write'))
        throw new errors.InvalidScope('no such scope', scope)
      const token = new provider.ClientCredentials({ client, scope, aud: params.audience })
      const value = await token.save()
      subjects.set(value, subject)
      context.body = {
        access_token: value,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: token.tokenType,
        expires_in: token.expiration,
        scope,
      }
    },
    [
      'subject_token',
      'subject_token_type',
      'requested_token_type',
      'requested_subject',
      'audience',
      'resource',
      'scope',
    ],
  )
  return {
    listener: provider.callback(),
    async find(value) {
      const token = await provider.ClientCredentials.find(value)
      return token?.clientId === undefined
        ? undefined
        : { client: token.clientId, subject: subjects.get(value) }
    },
  }
}

interface ExchangeParams {
  readonly subject_token?: string
  readonly audience?: string
  readonly requested_subject?: string
  readonly [name: string]: unknown
}
