import type { ConsentBehaviour, ConsentDriver, ConsentStart } from '../../consent.ts'
import {
  type ConnectorSettings,
  type Driver,
  InvalidSettings,
  type JsonObject,
  type MintRefusal,
} from '../../driver.ts'
import { refused, refuseUnsupported } from '../../refusal.ts'
import type { OAuthConnection } from './connection.ts'
import { denied, finishConsent, startConsent } from './consent.ts'
import { issueToken } from './issue.ts'
import { type MintGrants, mintByGrant } from './mint.ts'
import { refreshCredential } from './refresh.ts'
import { endGrant, endToken } from './revoke.ts'
import { standardScopeTitles } from './scope-titles.ts'

/** What one connector is, read from its settings; `consents` are the scopes a person is asked for by default. */
export interface ResolvedConnector {
  readonly connection: OAuthConnection
  readonly grants: MintGrants
  /** Absent: nobody can consent. */
  readonly consents: { readonly scopes: readonly string[] } | undefined
}

/** What a service adds to the engine: its settings, and how they are read. */
export interface OAuthService
  extends Pick<
    Driver,
    | 'service'
    | 'type'
    | 'title'
    | 'behaviour'
    | 'subjectsOf'
    | 'dataSchema'
    | 'secretFields'
    | 'parseSettings'
    | 'mergeSettings'
    | 'check'
    | 'clientUrl'
    | 'normalizeDetail'
    | 'holdDetail'
  > {
  readonly scopeTitles?: Readonly<Record<string, string>>
  /** What an operator calls scopes in the settings of one connector. */
  readonly ownScopeTitles?: (configuration: JsonObject) => Readonly<Record<string, string>>
  /** Absent: `title`, whatever the settings. */
  readonly titleOf?: (configuration: JsonObject) => string
  /** See `ConsentDriver.places`. */
  readonly places: readonly string[]
  readonly refreshEndsAccessToken: (configuration: JsonObject) => boolean
  readonly endsGrants: (configuration: JsonObject) => boolean
  readonly consentScopes: (configuration: JsonObject) => readonly string[]
  /** @throws {InvalidSettings} for settings that `check` has not completed. */
  readonly resolve: (settings: ConnectorSettings) => ResolvedConnector
}

/** A driver out of the engine and a service's data. */
export function oauthServiceDriver(service: OAuthService): Driver {
  const { resolve, places, refreshEndsAccessToken, endsGrants, consentScopes, ...described } = service
  const { scopeTitles: serviceTitles, ownScopeTitles, titleOf, ...rest } = described
  const scopeTitles = { ...standardScopeTitles, ...serviceTitles }
  const revokes = service.behaviour.revokesTokens
  const consent: ConsentDriver = {
    places,
    behaviour: (configuration): ConsentBehaviour => ({
      kinds: ['user'],
      refreshEndsAccessToken: refreshEndsAccessToken(configuration),
      endsGrants: endsGrants(configuration),
    }),
    scopeTitles,
    scopeTitlesOf: (configuration) => ({ ...scopeTitles, ...ownScopeTitles?.(configuration) }),
    titleOf: (configuration) => titleOf?.(configuration) ?? service.title,
    defaultScopes: consentScopes,
    async start(settings, start, access) {
      const { connection, consents } = resolve(settings)
      const unsupported = unsupportedStart(start, consents !== undefined)
      return unsupported ?? (await startConsent(connection, start, access))
    },
    async finish(settings, callback, access) {
      const { connection, consents } = resolve(settings)
      if (consents === undefined || callback.start.kind !== 'user')
        return denied('provider_refused', 'The connector no longer takes the consent of users')
      return await finishConsent(connection, callback, access)
    },
    issue(configuration, grant, request) {
      // A grant serves whoever it is asked for; which subject that is has been decided by the caller.
      return issueToken(resolve({ configuration, secrets: {} }).connection, grant, request)
    },
    refresh: (settings, credential, access, keep) =>
      refreshCredential(resolve(settings).connection, credential, access, keep),
    endGrant: (settings, credential, access) => endGrant(resolve(settings).connection, credential, access),
  }
  return {
    ...rest,
    isFullAccess: () => false,
    async mint(settings, request, access) {
      const unsupported = refuseUnsupported(service.behaviour, request)
      if (unsupported !== undefined) return unsupported
      const { connection, grants } = resolve(settings)
      return await mintByGrant(connection, grants, request, access)
    },
    consent,
    ...(revokes
      ? {
          revokeToken: (settings, token, access) =>
            endToken(resolve(settings).connection, token, 'access_token', access),
        }
      : {}),
  }
}

function unsupportedStart(start: ConsentStart, enabled: boolean): MintRefusal | undefined {
  if (start.kind !== 'user')
    return refused('invalid_request', 'This connector knows no installations, only the consent of users')
  if (!enabled)
    return refused('invalid_request', 'userAuthorization is not enabled in the settings of this connector')
  if (start.installationId !== undefined || start.tenantId !== undefined)
    return refused('invalid_request', 'This connector does not support installationId or tenantId')
  return undefined
}

/** The error of settings whose endpoints are not known yet. */
export function notChecked(): InvalidSettings {
  return new InvalidSettings('The endpoints of this connector are not known yet: update it')
}
