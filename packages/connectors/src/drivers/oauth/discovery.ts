import { z } from 'zod'
import { InvalidSettings, type JsonObject, type ProviderAccess } from '../../driver.ts'
import { callProvider } from '../../http.ts'
import { endpoint } from '../../settings.ts'
import type { OAuthServer } from './connection.ts'

const scopePattern = /^[\x21\x23-\x5b\x5d-\x7e]{1,300}$/

const metadataShape = z.object({
  issuer: z.string().max(2048),
  authorization_endpoint: endpoint().optional(),
  token_endpoint: endpoint(),
  revocation_endpoint: endpoint().optional(),
  userinfo_endpoint: endpoint().optional(),
  jwks_uri: endpoint().optional(),
  pushed_authorization_request_endpoint: endpoint().optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  id_token_signing_alg_values_supported: z.array(z.string().max(20)).max(50).optional().catch(undefined),
  scopes_supported: z
    .array(z.string())
    .transform((all) => all.filter((scope) => scopePattern.test(scope)))
    .pipe(z.array(z.string()).max(500))
    .optional()
    .catch(undefined),
  code_challenge_methods_supported: z.array(z.string()).optional().catch(undefined),
})

/**
 * The endpoints of an authorization server, from its metadata (RFC 8414, OpenID Connect Discovery).
 *
 * The metadata must name the issuer its address was built from: otherwise one server could speak for another, and
 * an `iss` in a callback would prove nothing.
 *
 * @throws {InvalidSettings} when there is none, or it names another issuer or unusable endpoints.
 * @throws {ProviderFault}
 */
export async function discover(
  provider: string,
  serverUrl: string,
  access: ProviderAccess,
): Promise<OAuthServer> {
  for (const url of metadataUrls(serverUrl)) {
    const headers = { accept: 'application/json' }
    const answer = await callProvider(access, { provider, method: 'GET', url, headers })
    if (answer.status !== 200 || answer.body === undefined) continue
    return serverFrom(serverUrl, answer.body)
  }
  throw new InvalidSettings('serverUrl has no metadata of an authorization server: give serverConfig instead')
}

/** Discovery's own address first: it is the one most servers have; then those of RFC 8414. */
function metadataUrls(serverUrl: string): readonly string[] {
  const { origin, pathname } = new URL(serverUrl)
  const path = pathname.replace(/\/+$/, '')
  return [
    ...new Set([
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`,
      `${origin}/.well-known/openid-configuration${path}`,
    ]),
  ]
}

function serverFrom(serverUrl: string, body: unknown): OAuthServer {
  const result = metadataShape.safeParse(body)
  if (!result.success) {
    // The path names the field; the value is the provider's and is not repeated.
    const field = String(result.error.issues[0]?.path[0] ?? '')
    throw new InvalidSettings(`The metadata at serverUrl is not usable${field === '' ? '' : `: ${field}`}`)
  }
  const found = result.data
  // A slash at the end makes no other metadata address (RFC 8414 §3.1): both names lead here.
  if (found.issuer !== serverUrl && found.issuer !== `${serverUrl}/`)
    throw new InvalidSettings('The metadata at serverUrl names another issuer')
  if (found.code_challenge_methods_supported?.includes('S256') === false)
    throw new InvalidSettings('The server does not take PKCE with S256, which every consent uses')
  const server: JsonObject = {
    issuer: found.issuer,
    authorizationEndpoint: found.authorization_endpoint,
    tokenEndpoint: found.token_endpoint,
    revocationEndpoint: found.revocation_endpoint,
    userinfoEndpoint: found.userinfo_endpoint,
    jwksUri: found.jwks_uri,
    pushedAuthorizationRequestEndpoint: found.pushed_authorization_request_endpoint,
    authorizationResponseIssParameterSupported: found.authorization_response_iss_parameter_supported,
    idTokenSigningAlgValuesSupported: found.id_token_signing_alg_values_supported,
    scopesSupported: found.scopes_supported,
  }
  const known = Object.entries(server).filter(([, value]) => value !== undefined)
  return { tokenEndpoint: found.token_endpoint, ...Object.fromEntries(known) }
}
