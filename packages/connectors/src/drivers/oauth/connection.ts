import * as client from 'openid-client'
import type { GrantIdentity } from '../../consent.ts'
import { InvalidSettings, type JsonObject, type ProviderAccess } from '../../driver.ts'
import { isSecure } from '../../settings.ts'
import { importKey, type SigningKey } from './keys.ts'

/** Where an authorization server answers; from what an operator entered, from discovery, or from a service's data. */
export interface OAuthServer {
  /** Absent where the provider names none: there is then no ID token, and an `iss` in a callback is not read. */
  readonly issuer?: string
  readonly authorizationEndpoint?: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint?: string
  readonly userinfoEndpoint?: string
  readonly jwksUri?: string
  readonly pushedAuthorizationRequestEndpoint?: string
  /** An answer without `iss` is then refused (RFC 9207). */
  readonly authorizationResponseIssParameterSupported?: boolean
  /** Absent: RS256. */
  readonly idTokenSigningAlgValuesSupported?: readonly string[]
  /** Absent: unknown, and whatever is needed is asked for. */
  readonly scopesSupported?: readonly string[]
}

/** How the connector's client proves itself at the token endpoint. */
export const authMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const

/** The connector's client at the server. */
export interface OAuthClient {
  readonly id: string
  readonly authMethod: (typeof authMethods)[number]
  readonly secret?: string
  readonly assertionKey?: SigningKey
}

/** Where a provider departs from the RFCs, as data. */
export interface OAuthQuirks {
  readonly scopeSeparator: ' ' | ','
  /** The name of `scope` in the authorization request. */
  readonly scopeParameter: string
  /** Sent with every token request. */
  readonly tokenRequestParams: Readonly<Record<string, string>>
  readonly tokenRequestBody: 'form' | 'json'
  /** GitLab wants `redirect_uri` on a refresh too. */
  readonly refreshSendsRedirectUri: boolean
  /** The member of a token answer that holds the tokens, where it is not the answer itself. */
  readonly tokenMember?: string
  /** The scope that makes the provider give a refresh token: asked for whenever refresh tokens are used. */
  readonly offlineScope?: string
  /** A refresh ends the access token before it. Unknown means that it does. */
  readonly refreshEndsAccessToken: boolean
  /** Names the provider answers with for scopes that are asked for by another: the answer's, and the asked one. */
  readonly scopeAliases: Readonly<Record<string, string>>
  /** The provider's own error codes, by the standard one each means; `temporarily_unavailable` for a fault. */
  readonly errorCodes: Readonly<Record<string, string>>
}

/** What a provider does that nobody described. */
export const plainQuirks: OAuthQuirks = {
  scopeSeparator: ' ',
  scopeParameter: 'scope',
  tokenRequestParams: {},
  tokenRequestBody: 'form',
  refreshSendsRedirectUri: false,
  refreshEndsAccessToken: true,
  scopeAliases: {},
  errorCodes: {},
}

/** Everything the engine needs of one connector, built from its settings on every call. */
export interface OAuthConnection {
  /** For messages. */
  readonly provider: string
  readonly server: OAuthServer
  readonly client: OAuthClient
  readonly quirks: OAuthQuirks
  /** The only origins its tokens may be sent to. */
  readonly origins: readonly string[]
  /** Added to the authorization request. */
  readonly authorizationUrlParams: Readonly<Record<string, string>>
  /** False: a refresh token is neither kept nor used. */
  readonly refreshTokens: boolean
  readonly defaultAudience?: string
  /** The life of a token whose answer names none. */
  readonly defaultTokenExpiresInSeconds?: number
  /** Who consented, by the provider's own API, where neither an ID token nor userinfo tells. */
  readonly identify?: (accessToken: string, access: ProviderAccess) => Promise<GrantIdentity>
}

/** What openid-client calls in place of `fetch`. */
export type ClientFetch = client.CustomFetch

/** openid-client's state for one call: nothing of it outlives the call. */
export async function configure(
  connection: OAuthConnection,
  access: ProviderAccess,
  fetch: ClientFetch,
): Promise<client.Configuration> {
  const { server } = connection
  const urls = endpointsOf(server)
  if (!urls.every(isSecure))
    throw new InvalidSettings(
      `The addresses of ${connection.provider} must be https for consent, unless they are on loopback`,
    )
  const alg = idTokenAlg(server)
  const config = new client.Configuration(
    serverMetadata(server),
    connection.client.id,
    {
      // ID tokens are judged by the injected clock, like everything else.
      [client.clockSkew]: Math.round((access.now() - Date.now()) / 1000),
      [client.clockTolerance]: 30,
      ...(alg === undefined ? {} : { id_token_signed_response_alg: alg }),
    },
    await authenticate(connection),
  )
  config[client.customFetch] = fetch
  // The caller's signal limits the time: it is the only one that reaches `access.fetch`.
  config.timeout = 0
  if (urls.some((url) => url.protocol === 'http:')) client.allowInsecureRequests(config)
  return config
}

function serverMetadata(server: OAuthServer): client.ServerMetadata {
  const metadata: JsonObject = {
    authorization_endpoint: server.authorizationEndpoint,
    token_endpoint: server.tokenEndpoint,
    revocation_endpoint: server.revocationEndpoint,
    userinfo_endpoint: server.userinfoEndpoint,
    jwks_uri: server.jwksUri,
    pushed_authorization_request_endpoint: server.pushedAuthorizationRequestEndpoint,
    authorization_response_iss_parameter_supported: server.authorizationResponseIssParameterSupported,
    id_token_signing_alg_values_supported: server.idTokenSigningAlgValuesSupported,
  }
  const known = Object.entries(metadata).filter(([, value]) => value !== undefined)
  // The library wants an issuer; where there is none nothing is ever compared with it.
  return { ...Object.fromEntries(known), issuer: server.issuer ?? new URL(server.tokenEndpoint).origin }
}

/** A server that signs in one way only may use one that is not the library's default. */
function idTokenAlg(server: OAuthServer): string | undefined {
  const [only, ...others] = server.idTokenSigningAlgValuesSupported ?? []
  return others.length === 0 ? only : undefined
}

async function authenticate({ client: { authMethod, secret, assertionKey }, server }: OAuthConnection) {
  if (authMethod === 'private_key_jwt' && assertionKey !== undefined)
    return client.PrivateKeyJwt(await importKey(assertionKey), {
      [client.modifyAssertion]: (_header, payload) => {
        payload.aud = assertionKey.audience ?? server.issuer ?? server.tokenEndpoint
      },
    })
  if (authMethod === 'client_secret_basic' && secret !== undefined) return client.ClientSecretBasic(secret)
  if (authMethod === 'client_secret_post' && secret !== undefined) return client.ClientSecretPost(secret)
  return client.None()
}

function endpointsOf(server: OAuthServer): readonly URL[] {
  return Object.entries(server)
    .filter(([name, value]) => /(Endpoint|Uri)$/.test(name) && typeof value === 'string')
    .map(([, value]) => new URL(String(value)))
}
