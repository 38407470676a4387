import { z } from 'zod'
import type { ConsentDriver, GrantCredential, GrantIdentity, GrantKind } from '../consent.ts'
import { type ConnectorSettings, InvalidSettings, type JsonObject, ProviderFault } from '../driver.ts'
import { refused } from '../refusal.ts'
import { shownText } from '../settings.ts'
import { type OAuthConnection, plainQuirks } from './oauth/connection.ts'
import { denied, redeem, scopesOf, startConsent } from './oauth/consent.ts'
import { credentialOf } from './oauth/credential.ts'
import { issueToken } from './oauth/issue.ts'
import { refreshCredential } from './oauth/refresh.ts'
import { endSlackGrant } from './slack-end-grant.ts'

const provider = 'Slack'

const stored = z.object({
  apiUrl: z.string(),
  clientId: z.string().optional(),
  clientSecret: z.string().optional(),
  botScopes: z.array(z.string()).default([]),
  userScopes: z.array(z.string()).default([]),
})

const identifier = z.string().regex(/^[A-Za-z0-9]{1,64}$/)
const place = z.object({ id: identifier, name: shownText() }).nullish()
const accessShape = z.object({
  team: place,
  enterprise: place,
  is_enterprise_install: z.boolean().optional(),
  bot_user_id: identifier.optional(),
  authed_user: z.object({ id: identifier }).optional(),
})

/** Slack's words for what RFC 6749 calls otherwise. */
const errorCodes = {
  ...said('invalid_grant', ['bad_redirect_uri', 'code_already_used', 'code_expired', 'invalid_code']),
  ...said('invalid_grant', ['invalid_refresh_token', 'token_expired', 'token_revoked', 'account_inactive']),
  ...said('invalid_client', ['bad_client_secret', 'invalid_client_id', 'oauth_authorization_url_mismatch']),
  ...said('invalid_request', ['invalid_arguments', 'invalid_grant_type', 'missing_post_type']),
  ...said('temporarily_unavailable', ['fatal_error', 'internal_error', 'ratelimited', 'request_timeout']),
  ...said('temporarily_unavailable', ['service_unavailable', 'team_added_to_org']),
}

/**
 * Consent at Slack: a person's own token (`user_scope`), or the app's installation in a workspace (`scope`).
 *
 * @param originsOf the origins of a connector's tokens, by its configuration.
 */
export function slackConsent(originsOf: (configuration: JsonObject) => readonly string[]): ConsentDriver {
  return {
    places: ['apiUrl'],
    behaviour: (configuration) => ({
      kinds: configuration.clientId === undefined ? [] : ['user', 'installation'],
      // At most two access tokens live, so that a refresh may end the one in use; unrotated ones don't refresh.
      refreshEndsAccessToken: true,
      endsGrants: true,
    }),
    scopeTitles,
    defaultScopes: (configuration, kind) => scopesFor(configuration, kind),
    async start(settings, start, access) {
      const { configuration } = settings
      const scopes = start.scopes.length > 0 ? start.scopes : scopesFor(configuration, start.kind)
      const setting = start.kind === 'user' ? 'userScopes' : 'botScopes'
      if (scopes.length === 0)
        return refused('invalid_request', `Slack must be asked for scopes: name some, or set ${setting}`)
      const own = Object.keys(start.additionalParams).find((name) =>
        ['scope', 'user_scope', 'team'].includes(name.toLowerCase()),
      )
      if (own !== undefined) return refused('invalid_request', `additionalParams must not hold ${own}`)
      if (start.resources.length + start.audience.length + start.authorizationDetails.length > 0)
        return refused('invalid_request', 'Slack knows scopes only')
      const team = start.installationId ?? start.tenantId
      const connection = connect(settings, start.kind)
      const asked = { ...start, scopes }
      return await startConsent(
        { ...connection, authorizationUrlParams: team === undefined ? {} : { team } },
        asked,
        access,
      )
    },
    async finish(settings, callback, access) {
      const { start } = callback
      const connection = connect(settings, start.kind)
      const answer = await redeem(connection, callback, access)
      if (answer.outcome === 'refused') return answer
      const identity = identityOf(answer.body, start.kind)
      const wanted = start.installationId ?? start.tenantId
      if (wanted !== undefined && identity.tenantId !== wanted)
        return denied('provider_refused', 'The app was installed in another workspace than asked for')
      const asked = { ...start, scopes: scopesOf(connection, start) }
      const credential = credentialOf(connection, answer, asked, access.now())
      return {
        outcome: 'granted',
        credential: { ...credential, extra: { ...credential.extra, kind: start.kind } },
        identity,
      }
    },
    issue(configuration, grant, request) {
      if (request.installationId !== undefined && request.installationId !== grant.identity.tenantId)
        return refused('installation_required', 'The grant is not of the workspace that installationId names')
      return issueToken({ provider, origins: originsOf(configuration) }, grant, request)
    },
    async refresh(settings, credential, access, keep) {
      const kind = kindOf(credential)
      const result = await refreshCredential(connect(settings, kind), credential, access, keep)
      if (result.outcome !== 'refreshed') return result
      const { extra } = result.credential
      return { ...result, credential: { ...result.credential, extra: { ...extra, kind } } }
    },
    async endGrant(settings, credential, access, { accountInUse }) {
      const { apiUrl } = stored.parse(settings.configuration)
      // An app without rotation has one token for a person or a workspace, however often they consent.
      if (accountInUse && credential.refreshToken === undefined) return 'unsupported'
      return endSlackGrant(() => connect(settings, kindOf(credential)), apiUrl, credential, access)
    },
  }

  function connect({ configuration, secrets }: ConnectorSettings, kind: GrantKind): OAuthConnection {
    const { apiUrl, clientId, clientSecret } = stored.parse({ ...configuration, ...secrets })
    if (clientId === undefined || clientSecret === undefined)
      throw new InvalidSettings('clientId and clientSecret are required for consent at Slack')
    return {
      provider,
      server: {
        authorizationEndpoint: `${new URL(apiUrl).origin}/oauth/v2/authorize`,
        tokenEndpoint: `${apiUrl}/oauth.v2.access`,
      },
      client: { id: clientId, authMethod: 'client_secret_post', secret: clientSecret },
      quirks: {
        ...plainQuirks,
        scopeSeparator: ',',
        errorCodes,
        ...(kind === 'user' ? { scopeParameter: 'user_scope', tokenMember: 'authed_user' } : {}),
      },
      origins: originsOf(configuration),
      authorizationUrlParams: {},
      refreshTokens: true,
    }
  }
}

function scopesFor(configuration: JsonObject, kind: GrantKind): readonly string[] {
  const { botScopes, userScopes } = stored.parse(configuration)
  return kind === 'user' ? userScopes : botScopes
}

function identityOf(body: JsonObject, kind: GrantKind): GrantIdentity {
  const parsed = accessShape.safeParse(body)
  const { team, enterprise, is_enterprise_install: wide } = parsed.data ?? {}
  // An installation in a whole organization names no workspace.
  const tenant = wide === true ? enterprise : team
  if (!parsed.success || tenant === null || tenant === undefined)
    throw new ProviderFault('Slack does not say which workspace consented')
  const subject = kind === 'user' ? parsed.data.authed_user?.id : parsed.data.bot_user_id
  return {
    installationId: tenant.id,
    tenantId: tenant.id,
    ...(tenant.name === undefined ? {} : { name: tenant.name }),
    ...(subject === undefined ? {} : { externalSubject: subject }),
  }
}

/** Which of the two a credential is of; remembered, because Slack's refresh does not tell. */
function kindOf(credential: GrantCredential): GrantKind {
  return credential.extra?.kind === 'user' ? 'user' : 'installation'
}

function said(meaning: string, codes: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(codes.map((code) => [code, meaning]))
}

const scopeTitles = {
  'app_mentions:read': 'See messages that mention the app',
  'channels:history': 'Read messages in public channels',
  'channels:read': 'See the public channels',
  'chat:write': 'Write messages',
  'files:read': 'See files',
  'files:write': 'Upload and change files',
  'groups:history': 'Read messages in private channels',
  'groups:read': 'See the private channels',
  'im:history': 'Read direct messages',
  'reactions:write': 'React to messages',
  'search:read': 'Search the workspace',
  'team:read': 'See the name of the workspace',
  'users:read': 'See the people of the workspace',
  'users:read.email': 'See their email addresses',
}
