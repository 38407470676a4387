import { tokenExchangeGrant } from '../token-exchange/parse-exchange.ts'
import { gatewayClaims, gatewayScopes } from './scopes.ts'

/** The metadata of the gateway: OpenID Connect Discovery §3 and RFC 8414 §2, which share their names. */
export function gatewayMetadata(publicUrl: string): object {
  const authMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
  // Whatever platforms sign identities with.
  const assertionAlgorithms = ['RS256', 'ES256', 'EdDSA']
  return {
    issuer: publicUrl,
    authorization_endpoint: `${publicUrl}/oauth/authorize`,
    token_endpoint: `${publicUrl}/oauth/token`,
    userinfo_endpoint: `${publicUrl}/oauth/userinfo`,
    revocation_endpoint: `${publicUrl}/oauth/revoke`,
    jwks_uri: `${publicUrl}/oauth/jwks`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', tokenExchangeGrant],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: authMethods,
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    revocation_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['ES256'],
    scopes_supported: gatewayScopes,
    claims_supported: gatewayClaims,
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    authorization_response_iss_parameter_supported: true,
  }
}
