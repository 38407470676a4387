import { z } from 'zod'
import type {
  ConsentDriver,
  ConsentFinished,
  ConsentRefused,
  ConsentStart,
  ConsentStarted,
  GrantIdentity,
} from '../consent.ts'
import {
  type ConnectorSettings,
  InvalidSettings,
  type JsonObject,
  type MintRefusal,
  type ProviderAccess,
} from '../driver.ts'
import { readAnswer, unexpectedAnswer } from '../http.ts'
import { refused } from '../refusal.ts'
import { shownText } from '../settings.ts'
import { type GitHubApi, gitHubApi, provider } from './github-api.ts'
import { endAuthorization, endUserToken } from './github-authorization.ts'
import { type OAuthConnection, plainQuirks } from './oauth/connection.ts'
import { denied, finishConsent, redeem, startConsent } from './oauth/consent.ts'
import { issueToken } from './oauth/issue.ts'
import { ownParameterIn } from './oauth/own-parameters.ts'
import { refreshCredential } from './oauth/refresh.ts'

const stored = z.object({
  apiUrl: z.string(),
  webUrl: z.string(),
  appSlug: z.string().optional(),
  clientId: z.string().optional(),
  clientSecret: z.string().optional(),
})

const errorCodes = {
  bad_verification_code: 'invalid_grant',
  bad_refresh_token: 'invalid_grant',
  incorrect_client_credentials: 'invalid_client',
  redirect_uri_mismatch: 'invalid_request',
  application_suspended: 'unauthorized_client',
}

const userShape = z.object({
  id: z.int().positive(),
  login: shownText(),
  name: shownText().nullish(),
  avatar_url: z
    .url({ protocol: /^https$/ })
    .max(2048)
    .optional()
    .catch(undefined),
})
const emailsShape = z.array(z.object({ email: shownText(), primary: z.boolean(), verified: z.boolean() }))
const installationsShape = z.object({
  total_count: z.int().nonnegative(),
  installations: z.array(
    z.object({
      id: z.int().positive(),
      account: z.object({ id: z.int().optional(), login: shownText() }).nullish(),
      suspended_at: z.string().nullish(),
    }),
  ),
})

/**
 * Consent at GitHub: a person's user-to-server token of the App, or the App's installation on an account.
 *
 * A user's token reaches what both the person and the App reach, and can't be narrowed.
 */
export const githubConsent: ConsentDriver = {
  places: ['apiUrl', 'webUrl'],
  behaviour: (configuration) => {
    const { clientId, appSlug } = stored.partial().parse(configuration)
    const installation = clientId !== undefined && appSlug !== undefined ? (['installation'] as const) : []
    return {
      kinds: [...(clientId === undefined ? [] : (['user'] as const)), ...installation],
      // The token before it stops at once, and its refresh token with it.
      refreshEndsAccessToken: true,
      endsGrants: true,
    }
  },
  defaultScopes: () => [],
  async start(settings, start, access) {
    if (start.scopes.length + start.resources.length + start.audience.length > 0)
      return refused('invalid_request', 'A GitHub App has permissions instead of scopes: leave scopes out')
    if (start.authorizationDetails.length > 0)
      return refused('invalid_request', 'GitHub does not narrow what a person grants an App')
    if (start.kind === 'installation') return startInstallation(settings, start)
    if (start.installationId !== undefined || start.tenantId !== undefined)
      return refused('invalid_request', "A person's consent is of no installation: leave installationId out")
    return await startConsent(connect(settings), start, access)
  },
  finish: (settings, callback, access) =>
    callback.start.kind === 'installation'
      ? finishInstallation(settings, callback, access)
      : finishConsent(connect(settings), callback, access),
  issue(configuration, grant, request) {
    if (request.authorizationDetails.length > 0)
      return refused(
        'invalid_request',
        "A person's token at GitHub can't be narrowed by authorizationDetails",
      )
    return issueToken({ provider, origins: originsOf(configuration) }, grant, request)
  },
  refresh: (settings, credential, access, keep) =>
    refreshCredential(connect(settings), credential, access, keep),
  // An installation is ended by uninstalling the App on GitHub, which is for its owner to do.
  async endGrant(settings, credential, access, { accountInUse }) {
    if (credential.accessToken === undefined) return 'unsupported'
    const { apiUrl } = stored.parse(settings.configuration)
    if (accountInUse) {
      // Ending the authorization would end every token of this person for the App, and only a live one ends alone.
      if (credential.accessExpiresAtMs !== null && credential.accessExpiresAtMs <= access.now())
        return 'unsupported'
      await endUserToken(connect(settings), apiUrl, credential.accessToken, access)
      return 'revoked'
    }
    return await endAuthorization(connect(settings), apiUrl, credential, access)
  },
}

function originsOf(configuration: JsonObject): readonly string[] {
  return [new URL(stored.parse(configuration).apiUrl).origin]
}

function connect({ configuration, secrets }: ConnectorSettings): OAuthConnection {
  const { webUrl, clientId, clientSecret } = stored.parse({ ...configuration, ...secrets })
  if (clientId === undefined || clientSecret === undefined)
    throw new InvalidSettings('clientId and clientSecret are required for consent at GitHub')
  return {
    provider,
    server: {
      authorizationEndpoint: `${webUrl}/login/oauth/authorize`,
      tokenEndpoint: `${webUrl}/login/oauth/access_token`,
    },
    client: { id: clientId, authMethod: 'client_secret_post', secret: clientSecret },
    quirks: { ...plainQuirks, errorCodes },
    origins: originsOf(configuration),
    authorizationUrlParams: {},
    refreshTokens: true,
    identify: (token, access) => identify(gitHubApi(access, stored.parse(configuration).apiUrl, token)),
  }
}

async function identify(api: GitHubApi): Promise<GrantIdentity> {
  const answer = await api('GET', '/user')
  if (answer.status !== 200) throw unexpectedAnswer(provider, answer.status)
  const user = readAnswer(provider, answer, userShape)
  // The address in the profile is whatever the person made public; only this list says what is verified.
  const list = await api('GET', '/user/emails')
  const emails = list.status === 200 ? emailsShape.safeParse(list.body).data : undefined
  const primary = emails?.find((each) => each.primary)
  const name = user.name ?? user.login
  return {
    externalSubject: String(user.id),
    ...(user.login === undefined ? {} : { name: user.login }),
    claims: {
      ...(name === undefined ? {} : { name }),
      ...(user.avatar_url === undefined ? {} : { picture: user.avatar_url }),
      ...(primary?.email === undefined ? {} : { email: primary.email, emailVerified: primary.verified }),
    },
  }
}

/** GitHub's own page, which takes a `state` but no PKCE challenge: what comes back is confirmed instead. */
function startInstallation(settings: ConnectorSettings, start: ConsentStart): ConsentStarted | MintRefusal {
  const { appSlug, webUrl } = stored.parse(settings.configuration)
  connect(settings)
  if (appSlug === undefined)
    return refused('invalid_request', 'appSlug is not known yet: update the connector, or set it')
  if (start.installationId !== undefined)
    return refused('invalid_request', 'An installation gets its id from GitHub: leave installationId out')
  const own = ownParameterIn(start.additionalParams)
  if (own !== undefined || start.prompt !== undefined)
    return refused('invalid_request', 'GitHub takes no such parameter for an installation')
  const url = new URL(`${webUrl}/apps/${encodeURIComponent(appSlug)}/installations/new`)
  for (const [name, value] of Object.entries(start.additionalParams)) url.searchParams.set(name, value)
  if (start.tenantId !== undefined) url.searchParams.set('suggested_target_id', start.tenantId)
  url.searchParams.set('state', start.state)
  return { url: url.href, pending: { withoutChallenge: true } }
}

/**
 * The installation a callback names, confirmed with the token of the person who came back.
 *
 * Anybody can write another number into the callback's query: it is believed only when GitHub lists that
 * installation for this person.
 */
async function finishInstallation(
  settings: ConnectorSettings,
  callback: { readonly url: URL; readonly start: ConsentStart; readonly pending: JsonObject },
  access: ProviderAccess,
): Promise<ConsentFinished | ConsentRefused> {
  const params = callback.url.searchParams
  const no = (message: string) => denied('provider_refused', message)
  const claimed = params.getAll('installation_id')
  if (params.get('setup_action') === 'request')
    return no('The installation waits for an owner of the account to approve it on GitHub')
  if (params.get('error') === null && params.get('code') === null)
    return no(
      'GitHub sent no code to confirm the installation by: turn on "Request user authorization (OAuth) during installation" in the settings of the App',
    )
  const [id] = claimed
  if (params.get('error') === null && (claimed.length !== 1 || !/^[1-9]\d{0,15}$/.test(id ?? '')))
    return no('The answer of GitHub names no installation')
  const connection = connect(settings)
  const answer = await redeem(connection, callback, access)
  if (answer.outcome === 'refused') return answer
  const { apiUrl } = stored.parse(settings.configuration)
  const token = answer.tokens.access_token
  const found = await findInstallation(gitHubApi(access, apiUrl, token), Number(id))
  // It has served its purpose: what nobody keeps must not live on.
  await endUserToken(connection, apiUrl, token, access).catch(() => undefined)
  if (found === undefined) return no('GitHub does not list the installation for the person who came back')
  const { account } = found
  const { tenantId } = callback.start
  if (tenantId !== undefined && String(account?.id) !== tenantId)
    return no('The App was installed on another account than asked for')
  return {
    outcome: 'granted',
    // No token: those of an installation are minted with the App's key.
    credential: {
      accessExpiresAtMs: null,
      granted: { scopes: [], resources: [], authorizationDetails: [] },
    },
    identity: {
      installationId: String(found.id),
      ...(account?.id === undefined ? {} : { tenantId: String(account.id) }),
      ...(account?.login === undefined ? {} : { name: account.login }),
    },
  }
}

const pageSize = 100
const maxPages = 20

async function findInstallation(api: GitHubApi, id: number) {
  for (let page = 1; page <= maxPages; page += 1) {
    const answer = await api('GET', `/user/installations?per_page=${pageSize}&page=${page}`)
    if (answer.status !== 200) throw unexpectedAnswer(provider, answer.status)
    const { installations, total_count: count } = readAnswer(provider, answer, installationsShape)
    const found = installations.find((each) => each.id === id)
    if (found !== undefined) return found
    if (installations.length === 0 || page * pageSize >= count) return undefined
  }
  return undefined
}
