import { createPrivateKey, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import * as client from 'openid-client'
import type { JsonObject, MintedToken, MintRefusal, MintRequest, ProviderAccess } from '../../driver.ts'
import { quoted, refused } from '../../refusal.ts'
import type { OAuthConnection } from './connection.ts'
import { appendTargets, detailsParameter } from './consent.ts'
import { endOf, grantedBy } from './credential.ts'
import { exchange, spoken } from './exchange.ts'
import type { SigningKey } from './keys.ts'

/** The grants a connector may mint by, each as configured; absent: not enabled. */
export interface MintGrants {
  readonly clientCredentials?: { readonly scopes: readonly string[] } | undefined
  readonly jwtBearer?: JwtBearerGrant | undefined
  readonly tokenExchange?: TokenExchangeGrant | undefined
}

/** RFC 7523: the connector signs for whom a token is. */
export interface JwtBearerGrant extends SigningKey {
  /** What is set here is not for the caller to choose. */
  readonly iss?: string | undefined
  readonly aud?: string | undefined
  readonly ttlSeconds: number
  readonly additionalClaims: JsonObject
  readonly scopes: readonly string[]
}

/** RFC 8693, at the provider. */
export interface TokenExchangeGrant {
  readonly subjectTokenType: string
  readonly requestedTokenType?: string | undefined
  readonly scopes: readonly string[]
}

const jwtBearerGrantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const tokenExchangeGrantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const registeredClaims: readonly string[] = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']

/** A token by client credentials, a signed assertion or token exchange. @throws {ProviderFault} */
export async function mintByGrant(
  connection: OAuthConnection,
  grants: MintGrants,
  request: MintRequest,
  access: ProviderAccess,
): Promise<MintedToken | MintRefusal> {
  const { subject } = request
  if (subject.type === 'user')
    return refused('no_credential', 'A token of a user comes from the consent of that user')
  const chosen = await choose(connection, grants, request, access)
  if ('outcome' in chosen) return chosen
  const scopes = request.scopes.length > 0 ? request.scopes : chosen.scopes
  const parameters = new URLSearchParams({
    ...chosen.parameters,
    ...(scopes.length === 0 ? {} : { scope: scopes.join(connection.quirks.scopeSeparator) }),
    ...detailsParameter(request.authorizationDetails),
  })
  appendTargets(parameters, connection, request)
  const result = await exchange(connection, access, (config) =>
    chosen.grantType === 'client_credentials'
      ? client.clientCredentialsGrant(config, parameters)
      : client.genericGrantRequest(config, chosen.grantType, parameters),
  )
  if (result.outcome === 'refused') return refusalFor(connection, result.code)
  const granted = grantedBy(connection, result.tokens, { ...request, scopes })
  const exact = granted.scopes.every((scope) => scopes.includes(scope))
  return {
    outcome: 'minted',
    token: result.tokens.access_token,
    expiresAtMs: endOf(connection, result.tokens, access.now()),
    granted,
    enforcedBy: scopes.length === 0 || exact ? 'provider' : 'none',
    origins: connection.origins,
  }
}

interface Chosen {
  readonly grantType: string
  readonly scopes: readonly string[]
  readonly parameters: Readonly<Record<string, string>>
}

async function choose(
  connection: OAuthConnection,
  grants: MintGrants,
  { subject }: MintRequest,
  access: ProviderAccess,
): Promise<Chosen | MintRefusal> {
  const { clientCredentials, jwtBearer, tokenExchange } = grants
  switch (subject.type) {
    case 'app':
      if (clientCredentials === undefined) return notEnabled('clientCredentials', 'app')
      return { grantType: 'client_credentials', scopes: clientCredentials.scopes, parameters: {} }
    case 'token': {
      if (tokenExchange === undefined) return notEnabled('tokenExchange', 'token')
      const { subjectTokenType, requestedTokenType, scopes } = tokenExchange
      const parameters = {
        subject_token: subject.token,
        subject_token_type: subjectTokenType,
        ...(requestedTokenType === undefined ? {} : { requested_token_type: requestedTokenType }),
      }
      return { grantType: tokenExchangeGrantType, scopes, parameters }
    }
    case 'jwt-bearer': {
      if (jwtBearer === undefined) return notEnabled('jwtBearer', 'jwt-bearer')
      const problem = problemOf(jwtBearer, subject)
      if (problem !== undefined) return refused('invalid_request', problem)
      const assertion = await sign(connection, jwtBearer, subject, access.now())
      return { grantType: jwtBearerGrantType, scopes: jwtBearer.scopes, parameters: { assertion } }
    }
    case 'user':
      return refused('no_credential', 'A token of a user comes from the consent of that user')
  }
}

type BearerSubject = Extract<MintRequest['subject'], { type: 'jwt-bearer' }>

/** What a caller may not put into an assertion that the connector's key vouches for. */
function problemOf(grant: JwtBearerGrant, subject: BearerSubject): string | undefined {
  for (const name of ['iss', 'aud'] as const)
    if (subject[name] !== undefined && grant[name] !== undefined && subject[name] !== grant[name])
      return `${name} of the subject is set by the connector's jwtBearer: leave it out`
  const claim = Object.keys(subject.additionalClaims ?? {}).find(
    (name) => registeredClaims.includes(name) || Object.hasOwn(grant.additionalClaims, name),
  )
  return claim === undefined
    ? undefined
    : `additionalClaims of the subject must not hold ${quoted(claim)}: the connector sets it`
}

async function sign(
  connection: OAuthConnection,
  grant: JwtBearerGrant,
  subject: BearerSubject,
  now: number,
): Promise<string> {
  const nowSeconds = Math.floor(now / 1000)
  return await new SignJWT({ ...subject.additionalClaims, ...grant.additionalClaims })
    .setProtectedHeader({
      alg: grant.algorithm,
      typ: 'JWT',
      ...(grant.keyId === undefined ? {} : { kid: grant.keyId }),
    })
    .setIssuer(grant.iss ?? subject.iss ?? connection.client.id)
    .setSubject(subject.sub)
    .setAudience(grant.aud ?? subject.aud ?? connection.server.tokenEndpoint)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + grant.ttlSeconds)
    .setJti(randomUUID())
    .sign(createPrivateKey(grant.privateKeyPem))
}

function notEnabled(setting: string, subject: string): MintRefusal {
  return refused(
    'invalid_request',
    `This connector issues nothing for the subject ${subject}: ${setting} is not enabled in its settings`,
  )
}

function refusalFor({ provider }: OAuthConnection, code: string): MintRefusal {
  if (code === 'invalid_scope' || code === 'invalid_target' || code === 'invalid_authorization_details')
    return refused('above_grant', `${provider} did not grant the app what was asked for${spoken(code)}`)
  return refused('provider_refused', `${provider} refused to issue a token${spoken(code)}`)
}
