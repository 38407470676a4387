import type { SubjectType } from '@valetkey/protocol'
import type { CheckedSettings, ConnectorSettings, Driver, JsonObject, ProviderAccess } from '../../driver.ts'
import { holdAnyDetail, normalizeAnyDetail } from './details.ts'
import { discover } from './discovery.ts'
import { notChecked, oauthServiceDriver, type ResolvedConnector } from './driver.ts'
import { defined } from './fields.ts'
import {
  dataSchema,
  mergeSettings,
  type OAuthFields,
  parseSettings,
  readSettings,
  secretFields,
  subjectTypes,
} from './settings.ts'

const title = 'OAuth'
const provider = 'The authorization server'

/** Any OAuth 2 server: users by code and PKCE, the app by client credentials, others by assertion or exchange. */
export const oauthDriver: Driver = oauthServiceDriver({
  service: 'oauth',
  type: 'oauth',
  title,
  behaviour: {
    subjects: subjectTypes,
    narrows: {
      scopes: true,
      resources: true,
      audience: true,
      // Any type: only the server knows which there are.
      authorizationDetails: ['*'],
      installationId: false,
    },
    standing: false,
    callsProvider: true,
    revokesTokens: true,
  },
  subjectsOf: (configuration) => {
    const fields = publicFields(configuration)
    return fields.subjects ?? enabledSubjects(fields)
  },
  dataSchema,
  secretFields,
  parseSettings,
  mergeSettings,
  check,
  clientUrl,
  normalizeDetail: normalizeAnyDetail,
  holdDetail: holdAnyDetail,
  places: ['serverUrl', 'serverConfig'],
  refreshEndsAccessToken: (configuration) => publicFields(configuration).quirks.refreshEndsAccessToken,
  endsGrants: (configuration) => publicFields(configuration).server?.revocationEndpoint !== undefined,
  titleOf: (configuration) => hostOf(publicFields(configuration)) ?? title,
  ownScopeTitles: (configuration) => publicFields(configuration).scopeTitles ?? {},
  consentScopes: (configuration) => publicFields(configuration).userAuthorization?.scopes ?? [],
  resolve,
})

/** Discovery, so that a token costs one call and no more: what it finds is kept as `server`. */
async function check(current: ConnectorSettings, access: ProviderAccess): Promise<CheckedSettings> {
  const { serverUrl } = current.configuration
  const subjects = enabledSubjects(readSettings(current))
  if (typeof serverUrl !== 'string') return { configuration: { subjects } }
  return { configuration: { server: await discover(provider, serverUrl, access), subjects } }
}

/** Whom the settings issue for: the same that `mint` and consent find enabled. */
function enabledSubjects(fields: OAuthFields): readonly SubjectType[] {
  const { userAuthorization, clientCredentials, jwtBearer, tokenExchange } = fields
  const settings = {
    user: userAuthorization,
    app: clientCredentials,
    'jwt-bearer': jwtBearer,
    token: tokenExchange,
  }
  return subjectTypes.filter((type) => enabled<{ readonly enabled: boolean }>(settings[type]) !== undefined)
}

/** Where a person is sent, which is the name they will see in the address bar too. */
function hostOf({ server, serverUrl }: OAuthFields): string | undefined {
  const url = server?.authorizationEndpoint ?? server?.issuer ?? server?.tokenEndpoint ?? serverUrl
  return url === undefined ? undefined : new URL(url).host
}

function publicFields(configuration: JsonObject): OAuthFields {
  return readSettings({ configuration, secrets: {} })
}

function clientUrl(configuration: JsonObject): string | undefined {
  const { clientUrl: entered, server } = publicFields(configuration)
  return entered ?? (server === undefined ? undefined : originOf(server))
}

function originOf(server: { readonly issuer?: string; readonly tokenEndpoint: string }): string {
  return new URL(server.issuer ?? server.tokenEndpoint).origin
}

function resolve(settings: ConnectorSettings): ResolvedConnector {
  const fields = readSettings(settings)
  const { server, apiUrl, defaultAudience, defaultTokenExpiresInSeconds } = fields
  if (server === undefined) throw notChecked()
  return {
    connection: {
      provider,
      server,
      client: {
        id: fields.clientId,
        authMethod: fields.tokenEndpointAuthMethod ?? 'none',
        ...defined({ secret: fields.clientSecret, assertionKey: fields.clientAssertion }),
      },
      quirks: fields.quirks,
      origins: fields.origins ?? [apiUrl === undefined ? originOf(server) : new URL(apiUrl).origin],
      authorizationUrlParams: fields.authorizationUrlParams ?? {},
      refreshTokens: fields.refreshTokens?.enabled ?? true,
      ...defined({ defaultAudience, defaultTokenExpiresInSeconds }),
    },
    grants: {
      clientCredentials: enabled(fields.clientCredentials),
      jwtBearer: enabled(fields.jwtBearer),
      tokenExchange: enabled(fields.tokenExchange),
    },
    consents: enabled(fields.userAuthorization),
  }
}

function enabled<Grant extends { readonly enabled: boolean }>(grant: Grant | undefined): Grant | undefined {
  return grant?.enabled === true ? grant : undefined
}
