import type { SubjectType } from '@valetkey/protocol'
import { z } from 'zod'
import { type ConnectorSettings, InvalidSettings, type JsonObject } from '../../driver.ts'
import {
  address,
  endpoint,
  isSecure,
  jsonSchemaOf,
  mergeFields,
  parseFields,
  plainText,
  requireSecretsAgain,
} from '../../settings.ts'
import {
  authMethods,
  type OAuthClient,
  type OAuthQuirks,
  type OAuthServer,
  plainQuirks,
} from './connection.ts'
import { defined, parameterMap, refuseOwnParameters, scopeList, scopeWords, splitSecrets } from './fields.ts'
import { algorithms, parseSigningKey, type SigningKey } from './keys.ts'
import type { JwtBearerGrant, TokenExchangeGrant } from './mint.ts'

/** A grant that is switched on by being there, and off by `enabled: false`. */
function grantOf<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject({ enabled: z.boolean('must be true or false').default(true), ...shape })
}

const pem = z.string({ error: 'must be text' }).max(32_768, 'is too long')
const signing = {
  privateKeyPem: pem,
  keyId: plainText().optional(),
  algorithm: z.enum(algorithms, `must be one of ${algorithms.join(', ')}`).default('RS256'),
}
const seconds = (most: number) =>
  z.int('must be a whole number of seconds').min(1, 'must be at least 1').max(most, `must be at most ${most}`)

const secureAddress = address().refine(
  (url) => isSecure(new URL(url)),
  'must be https, unless it is on loopback',
)

/** Endpoints entered by hand, in the words of RFC 8414. */
const serverConfigShape = z.strictObject({
  /** As the server names itself: compared byte for byte, so that nothing of it is changed here. */
  issuer: plainText()
    .refine((text) => URL.canParse(text) && isSecure(new URL(text)), 'must be an https URL')
    .optional(),
  authorizationEndpoint: endpoint().optional(),
  tokenEndpoint: endpoint(),
  revocationEndpoint: endpoint().optional(),
  userinfoEndpoint: endpoint().optional(),
  jwksUri: endpoint().optional(),
  pushedAuthorizationRequestEndpoint: endpoint().optional(),
  authorizationResponseIssParameterSupported: z.boolean().optional(),
  idTokenSigningAlgValuesSupported: z.array(plainText()).max(20).optional(),
  scopesSupported: z.array(plainText()).max(500).optional(),
})

const quirksShape = z.strictObject({
  scopeSeparator: z.enum([' ', ','], 'must be a space or a comma').optional(),
  scopeParameter: plainText()
    .regex(/^[a-z_]{1,40}$/, 'must be the name of a parameter')
    .optional(),
  tokenRequestParams: parameterMap().optional(),
  tokenRequestBody: z.enum(['form', 'json'], 'must be form or json').optional(),
  refreshSendsRedirectUri: z.boolean().optional(),
  tokenMember: plainText().optional(),
  offlineScope: plainText().optional(),
  refreshEndsAccessToken: z.boolean().optional(),
  scopeAliases: z.record(z.string(), z.string()).optional(),
  errorCodes: z.record(z.string(), z.string()).optional(),
})

const settingsShape = z.strictObject({
  serverUrl: secureAddress.optional(),
  serverConfig: serverConfigShape.optional(),
  clientId: plainText(),
  clientSecret: plainText().optional(),
  tokenEndpointAuthMethod: z.enum(authMethods, `must be one of ${authMethods.join(', ')}`).optional(),
  clientAssertion: z.strictObject({ ...signing, audience: plainText().optional() }).optional(),
  userAuthorization: grantOf({ scopes: scopeList().default([]) }).optional(),
  clientCredentials: grantOf({ scopes: scopeList().default([]) }).optional(),
  jwtBearer: grantOf({
    ...signing,
    iss: plainText().optional(),
    aud: plainText().optional(),
    ttlSeconds: seconds(3600).default(300),
    additionalClaims: z.record(z.string(), z.unknown()).default({}),
    scopes: scopeList().default([]),
  }).optional(),
  tokenExchange: grantOf({
    subjectTokenType: plainText().default('urn:ietf:params:oauth:token-type:access_token'),
    requestedTokenType: plainText().optional(),
    scopes: scopeList().default([]),
  }).optional(),
  refreshTokens: grantOf({}).optional(),
  defaultAudience: plainText().optional(),
  defaultTokenExpiresInSeconds: seconds(31_536_000).optional(),
  authorizationUrlParams: parameterMap().optional(),
  origins: z
    .array(
      secureAddress.transform((url) => new URL(url).origin),
      { error: 'must be a list of URLs' },
    )
    .max(100, 'must hold at most 100 URLs')
    .optional(),
  apiUrl: secureAddress.optional(),
  clientUrl: secureAddress.optional(),
  scopeTitles: scopeWords().optional(),
  quirks: quirksShape.optional(),
})

/** The fields of a connector as they are stored, and what `check` found: `server`. */
export interface OAuthFields {
  readonly server: OAuthServer | undefined
  readonly serverUrl?: string | undefined
  readonly clientId: string
  readonly clientSecret?: string | undefined
  readonly tokenEndpointAuthMethod?: OAuthClient['authMethod'] | undefined
  readonly clientAssertion?: SigningKey | undefined
  readonly userAuthorization?: Enabled<{ readonly scopes: readonly string[] }>
  readonly clientCredentials?: Enabled<{ readonly scopes: readonly string[] }>
  readonly jwtBearer?: Enabled<JwtBearerGrant>
  readonly tokenExchange?: Enabled<TokenExchangeGrant>
  readonly refreshTokens?: Enabled<object>
  readonly defaultAudience?: string | undefined
  readonly defaultTokenExpiresInSeconds?: number | undefined
  readonly authorizationUrlParams?: Readonly<Record<string, string>> | undefined
  readonly origins?: readonly string[] | undefined
  readonly apiUrl?: string | undefined
  readonly clientUrl?: string | undefined
  readonly scopeTitles?: Readonly<Record<string, string>> | undefined
  /** What check found enabled; a public configuration does not tell of `jwtBearer`. */
  readonly subjects?: readonly SubjectType[] | undefined
  readonly quirks: OAuthQuirks
}

/** What an OAuth server can issue for, the default of a ceiling first. */
export const subjectTypes: readonly ['user', 'app', 'jwt-bearer', 'token'] = [
  'user',
  'app',
  'jwt-bearer',
  'token',
]

type Enabled<Grant> = (Grant & { readonly enabled: boolean }) | undefined

// What check found; another fact is not looked at.
const storedShape = settingsShape
  .extend({
    server: z.unknown().optional(),
    subjects: z.array(z.enum(subjectTypes)).optional().catch(undefined),
  })
  .strip()

/** The settings as they were parsed. Without secrets, what a public configuration tells. */
export function readSettings({ configuration, secrets }: ConnectorSettings): OAuthFields {
  const { server, serverConfig, quirks, ...rest } = storedShape.parse({ ...configuration, ...secrets })
  const found = server === undefined ? serverConfig : serverConfigShape.parse(server)
  return {
    ...rest,
    server: found === undefined ? undefined : { ...defined(found), tokenEndpoint: found.tokenEndpoint },
    quirks: { ...plainQuirks, ...defined(quirks ?? {}) },
  }
}

/** JSON Schema of what is entered. */
export const dataSchema: JsonObject = jsonSchemaOf(settingsShape)

/** Encrypted as a whole: what lies around a key is not worth showing apart from it. */
export const secretFields: readonly string[] = ['clientSecret', 'clientAssertion', 'jwtBearer']

/** @throws {InvalidSettings} */
export function parseSettings(data: unknown): ConnectorSettings {
  const fields = parseFields(settingsShape, data)
  if ((fields.serverUrl === undefined) === (fields.serverConfig === undefined))
    throw new InvalidSettings('Give either serverUrl or serverConfig')
  const { clientAssertion, jwtBearer } = fields
  const tokenEndpointAuthMethod = authMethodOf(fields)
  refuseOwnParameters('authorizationUrlParams', fields.authorizationUrlParams, fields.quirks?.scopeParameter)
  return splitSecrets(
    {
      // A connector that names no grant is one for users, which is what most are made for.
      ...((fields.clientCredentials ?? jwtBearer ?? fields.tokenExchange)
        ? {}
        : { userAuthorization: everyone }),
      ...fields,
      tokenEndpointAuthMethod,
      ...(clientAssertion === undefined
        ? {}
        : { clientAssertion: withKey('clientAssertion', clientAssertion) }),
      ...(jwtBearer === undefined ? {} : { jwtBearer: withKey('jwtBearer', jwtBearer) }),
    },
    secretFields,
  )
}

/** @throws {InvalidSettings} */
export function mergeSettings(current: ConnectorSettings, data: unknown): ConnectorSettings {
  const fields = mergeFields(current, data, Object.keys(settingsShape.shape))
  const given = typeof data === 'object' && data !== null ? data : {}
  // Whoever gives one way to name the server means it instead of the other.
  const { serverUrl, serverConfig, ...rest } = fields
  const server =
    'serverConfig' in given && !('serverUrl' in given)
      ? { serverConfig }
      : 'serverUrl' in given && !('serverConfig' in given)
        ? { serverUrl }
        : { serverUrl, serverConfig }
  const merged = parseSettings({
    ...rest,
    ...Object.fromEntries(Object.entries(server).filter(([, value]) => value !== undefined)),
  })
  requireSecretsAgain(current, merged, data, {
    places: ['serverUrl', 'serverConfig'],
    secrets: secretFields,
  })
  return merged
}

const everyone = { enabled: true, scopes: [] }

type Fields = z.output<typeof settingsShape>

function authMethodOf({ tokenEndpointAuthMethod, clientSecret, clientAssertion }: Fields) {
  const natural =
    clientAssertion !== undefined
      ? 'private_key_jwt'
      : clientSecret !== undefined
        ? 'client_secret_basic'
        : 'none'
  const method = tokenEndpointAuthMethod ?? natural
  if (method.startsWith('client_secret') && clientSecret === undefined)
    throw new InvalidSettings(`clientSecret is required for ${method}`)
  if (method === 'private_key_jwt' && clientAssertion === undefined)
    throw new InvalidSettings('clientAssertion is required for private_key_jwt')
  return method
}

function withKey<Key extends { privateKeyPem: string; algorithm: (typeof algorithms)[number] }>(
  field: string,
  key: Key,
): Key {
  const privateKeyPem = parseSigningKey(`${field}.privateKeyPem`, key.privateKeyPem, key.algorithm)
  return { ...key, privateKeyPem }
}
