import { z } from 'zod'
import type { GrantIdentity } from '../../consent.ts'
import { holdsNoDetails, noDetails } from '../../details.ts'
import { type Driver, InvalidSettings, type JsonObject, type ProviderAccess } from '../../driver.ts'
import {
  address,
  isSecure,
  jsonSchemaOf,
  mergeFields,
  parseFields,
  plainText,
  requireSecretsAgain,
} from '../../settings.ts'
import { type OAuthClient, type OAuthQuirks, type OAuthServer, plainQuirks } from './connection.ts'
import { oauthServiceDriver } from './driver.ts'
import { parameterMap, refuseOwnParameters, scopeList, splitSecrets } from './fields.ts'

/** What a connector's settings say about where its server is. */
export interface Place {
  readonly webUrl?: string | undefined
  readonly apiUrl?: string | undefined
  /** Of Microsoft. */
  readonly tenant?: string | undefined
  /** Of Okta. */
  readonly domain?: string | undefined
  readonly authorizationServerId?: string | undefined
}

/** One provider on the engine, as data. */
export interface ServiceData {
  readonly service: string
  readonly title: string
  /** The fields of {@link Place} that an operator may enter; those that must be entered are `required`. */
  readonly places: readonly (keyof Place)[]
  readonly required?: readonly (keyof Place)[]
  readonly requiredOneOf?: readonly (keyof Place)[]
  readonly server: (place: Place) => OAuthServer
  readonly origins: (place: Place) => readonly string[]
  readonly authMethod: OAuthClient['authMethod']
  readonly quirks?: Partial<OAuthQuirks>
  readonly authorizationUrlParams?: Readonly<Record<string, string>>
  /** What a person is asked for when neither the connector nor the caller says. */
  readonly defaultScopes: readonly string[]
  readonly scopeTitles: Readonly<Record<string, string>>
  /** Absent: the provider has none. */
  readonly clientCredentialsScopes?: readonly string[]
  /** RFC 7009 ends one token and leaves the others alive. */
  readonly revokesTokens: boolean
  readonly homePage: (place: Place) => string
  /** Who consented, where neither an ID token nor userinfo tells. */
  readonly identify?: (place: Place, accessToken: string, access: ProviderAccess) => Promise<GrantIdentity>
}

const host = z
  .string({ error: 'must be text' })
  .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i, 'must be a host name')
  .transform((name) => name.toLowerCase())
// A name or `common` would do for the endpoints, but the issuer of ID tokens is always spelled with the id.
const tenant = plainText().regex(
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  "must be the tenant's id, in lower case",
)
const segment = plainText().regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be a name or an id')
const place = {
  webUrl: address().refine((url) => isSecure(new URL(url)), 'must be https, unless it is on loopback'),
  apiUrl: address().refine((url) => isSecure(new URL(url)), 'must be https, unless it is on loopback'),
  tenant,
  domain: host,
  authorizationServerId: segment,
}

const secretFields = ['clientSecret']

/** The driver of a provider that is described by data alone. */
export function createService(data: ServiceData): Driver {
  const fields = fieldsOf(data)
  const quirks = { ...plainQuirks, ...data.quirks }
  const { identify } = data
  return oauthServiceDriver({
    service: data.service,
    type: data.service,
    title: data.title,
    behaviour: {
      subjects: data.clientCredentialsScopes === undefined ? ['user'] : ['user', 'app'],
      narrows: {
        scopes: true,
        resources: false,
        audience: false,
        authorizationDetails: [],
        installationId: false,
      },
      standing: false,
      callsProvider: true,
      revokesTokens: data.revokesTokens,
    },
    dataSchema: jsonSchemaOf(fields),
    secretFields,
    parseSettings,
    mergeSettings(current, given) {
      const merged = parseSettings(mergeFields(current, given, Object.keys(fields.shape)))
      requireSecretsAgain(current, merged, given, { places: data.places, secrets: secretFields })
      return merged
    },
    // There is no call that tells whether a client's secret is right without a code to redeem.
    check: async () => ({ configuration: {} }),
    clientUrl: (configuration) => data.homePage(placeOf(configuration)),
    normalizeDetail: noDetails,
    holdDetail: holdsNoDetails,
    scopeTitles: data.scopeTitles,
    places: data.places,
    refreshEndsAccessToken: () => quirks.refreshEndsAccessToken,
    endsGrants: (configuration) => data.server(placeOf(configuration)).revocationEndpoint !== undefined,
    consentScopes: (configuration) => storedShape.parse(configuration).scopes ?? data.defaultScopes,
    resolve({ configuration, secrets }) {
      const { clientId, clientSecret, authorizationUrlParams, refreshTokens } = storedShape.parse({
        ...configuration,
        ...secrets,
      })
      const at = placeOf(configuration)
      return {
        connection: {
          provider: data.title,
          server: data.server(at),
          client: {
            id: clientId,
            authMethod: data.authMethod,
            ...(clientSecret === undefined ? {} : { secret: clientSecret }),
          },
          quirks,
          origins: data.origins(at),
          authorizationUrlParams: { ...data.authorizationUrlParams, ...authorizationUrlParams },
          refreshTokens: refreshTokens?.enabled ?? true,
          ...(identify === undefined
            ? {}
            : { identify: (token: string, access: ProviderAccess) => identify(at, token, access) }),
        },
        grants: {
          clientCredentials:
            data.clientCredentialsScopes === undefined ? undefined : { scopes: data.clientCredentialsScopes },
        },
        consents: { scopes: data.defaultScopes },
      }
    },
  })

  function parseSettings(given: unknown) {
    const parsed = parseFields(fields, given)
    refuseOwnParameters('authorizationUrlParams', parsed.authorizationUrlParams)
    const { requiredOneOf = [] } = data
    if (requiredOneOf.length > 0 && requiredOneOf.every((name) => parsed[name] === undefined))
      throw new InvalidSettings(`${requiredOneOf.join(' or ')} is required`)
    return splitSecrets(parsed, secretFields)
  }
}

const storedShape = z.object({
  clientId: z.string().catch(''),
  clientSecret: z.string().optional(),
  scopes: z.array(z.string()).optional(),
  authorizationUrlParams: z.record(z.string(), z.string()).optional(),
  refreshTokens: z.object({ enabled: z.boolean() }).optional(),
})

function fieldsOf(data: ServiceData) {
  const places = data.places.map((name) => {
    const required = data.required?.includes(name) === true
    return [name, required ? place[name] : place[name].optional()]
  })
  return z.strictObject({
    clientId: plainText(),
    clientSecret: plainText(),
    scopes: scopeList().optional(),
    authorizationUrlParams: parameterMap().optional(),
    refreshTokens: z.strictObject({ enabled: z.boolean('must be true or false') }).optional(),
    ...(Object.fromEntries(places) as Partial<Record<keyof Place, z.ZodOptional<z.ZodType<string>>>>),
  })
}

function placeOf(configuration: JsonObject): Place {
  const names = Object.keys(place)
  return Object.fromEntries(
    Object.entries(configuration).filter(
      ([name, value]) => names.includes(name) && typeof value === 'string',
    ),
  )
}
