import { z } from 'zod'
import type { GrantIdentity } from '../../consent.ts'
import type { Driver, ProviderAccess } from '../../driver.ts'
import { callProvider, readAnswer } from '../../http.ts'
import { shownText } from '../../settings.ts'
import { createService, type Place } from './service.ts'

/** Linear: tokens of 24 hours; the refresh token rotates, and its predecessor replays for 30 minutes. */
export const linearDriver: Driver = createService({
  service: 'linear',
  title: 'Linear',
  places: ['webUrl', 'apiUrl'],
  server: ({ webUrl = 'https://linear.app', apiUrl = 'https://api.linear.app' }) => ({
    authorizationEndpoint: `${webUrl}/oauth/authorize`,
    tokenEndpoint: `${apiUrl}/oauth/token`,
    revocationEndpoint: `${apiUrl}/oauth/revoke`,
  }),
  origins: ({ apiUrl = 'https://api.linear.app' }) => [
    new URL(apiUrl).origin,
    ...(apiUrl === 'https://api.linear.app' ? ['https://mcp.linear.app'] : []),
  ],
  authMethod: 'client_secret_post',
  quirks: { scopeSeparator: ',' },
  defaultScopes: ['read'],
  scopeTitles: {
    read: 'Read everything you can read',
    write: 'Change what you can change',
    'issues:create': 'Create issues',
    'comments:create': 'Write comments',
    'timeSchedule:write': 'Change time schedules',
    admin: 'Administer the workspace',
    'app:assignable': 'Be given issues',
    'app:mentionable': 'Be mentioned',
  },
  clientCredentialsScopes: [],
  // What else dies with a token is documented nowhere.
  revokesTokens: false,
  homePage: ({ webUrl = 'https://linear.app' }) => webUrl,
  identify: identifyAtLinear,
})

const googleOrigins = [
  'https://www.googleapis.com',
  'https://gmail.googleapis.com',
  'https://calendar-json.googleapis.com',
  'https://docs.googleapis.com',
  'https://drive.googleapis.com',
  'https://people.googleapis.com',
  'https://sheets.googleapis.com',
  'https://slides.googleapis.com',
  'https://tasks.googleapis.com',
  'https://openidconnect.googleapis.com',
]

const viewerShape = z.object({
  data: z.object({
    viewer: z.object({ id: z.string().min(1).max(100), name: shownText(), email: shownText() }),
    organization: z
      .object({ id: z.string().max(100), name: shownText() })
      .nullish()
      .catch(undefined),
  }),
})

/** Linear has no ID token and no userinfo; its API tells who asks, and for which workspace. */
async function identifyAtLinear(
  { apiUrl = 'https://api.linear.app' }: Place,
  accessToken: string,
  access: ProviderAccess,
): Promise<GrantIdentity> {
  const answer = await callProvider(access, {
    provider: 'Linear',
    method: 'POST',
    url: `${apiUrl}/graphql`,
    headers: { accept: 'application/json', authorization: `Bearer ${accessToken}` },
    body: { query: '{ viewer { id name email } organization { id name } }' },
  })
  const { viewer, organization } = readAnswer('Linear', answer, viewerShape).data
  const name = organization?.name ?? viewer.name
  return {
    externalSubject: viewer.id,
    ...(organization === null || organization === undefined ? {} : { tenantId: organization.id }),
    ...(name === undefined ? {} : { name }),
    claims: {
      ...(viewer.email === undefined ? {} : { email: viewer.email }),
      ...(viewer.name === undefined ? {} : { name: viewer.name }),
    },
  }
}

/** Google: the refresh token does not rotate; ending any token ends all that the person ever granted the project. */
export const googleDriver: Driver = createService({
  service: 'google',
  title: 'Google',
  places: ['webUrl', 'apiUrl'],
  server: ({ webUrl = 'https://accounts.google.com', apiUrl = 'https://oauth2.googleapis.com' }) => ({
    issuer: webUrl,
    authorizationEndpoint: `${webUrl}/o/oauth2/v2/auth`,
    tokenEndpoint: `${apiUrl}/token`,
    revocationEndpoint: `${apiUrl}/revoke`,
  }),
  origins: ({ apiUrl }) => (apiUrl === undefined ? googleOrigins : [new URL(apiUrl).origin]),
  authMethod: 'client_secret_post',
  quirks: {
    refreshEndsAccessToken: false,
    scopeAliases: {
      'https://www.googleapis.com/auth/userinfo.email': 'email',
      'https://www.googleapis.com/auth/userinfo.profile': 'profile',
    },
  },
  // Both: without the second, a person who consented before is given no refresh token again.
  authorizationUrlParams: { access_type: 'offline', prompt: 'consent' },
  defaultScopes: ['openid', 'email', 'profile'],
  scopeTitles: {
    'https://www.googleapis.com/auth/gmail.readonly': 'Read your mail',
    'https://www.googleapis.com/auth/gmail.send': 'Send mail as you',
    'https://www.googleapis.com/auth/calendar': 'See and change your calendars',
    'https://www.googleapis.com/auth/calendar.readonly': 'See your calendars',
    'https://www.googleapis.com/auth/drive': 'See, change and delete all your files',
    'https://www.googleapis.com/auth/drive.file': 'See and change the files you open with it',
    'https://www.googleapis.com/auth/drive.readonly': 'See all your files',
    'https://www.googleapis.com/auth/spreadsheets': 'See and change your spreadsheets',
  },
  revokesTokens: false,
  homePage: ({ webUrl = 'https://accounts.google.com' }) => webUrl,
})

/**
 * Microsoft Entra: one tenant, one resource a token (Graph by default). Old refresh tokens are replaced, not ended,
 * and there is no call to end any.
 *
 * The many-tenant names (`common`, `organizations`, `consumers`) are refused: the issuer of their ID tokens
 * depends on who signs in, so that nothing could be compared with it.
 */
export const microsoftDriver: Driver = createService({
  service: 'microsoft',
  title: 'Microsoft',
  places: ['tenant', 'webUrl', 'apiUrl'],
  required: ['tenant'],
  server: microsoftServer,
  origins: ({ apiUrl = 'https://graph.microsoft.com' }) => [new URL(apiUrl).origin],
  authMethod: 'client_secret_post',
  quirks: { refreshEndsAccessToken: false, offlineScope: 'offline_access' },
  defaultScopes: ['openid', 'profile', 'email', 'User.Read'],
  scopeTitles: {
    'User.Read': 'See your profile',
    'Mail.Read': 'Read your mail',
    'Mail.Send': 'Send mail as you',
    'Calendars.Read': 'See your calendars',
    'Calendars.ReadWrite': 'See and change your calendars',
    'Files.Read': 'See your files',
    'Files.ReadWrite': 'See and change your files',
    'Chat.Read': 'Read your chats',
    'Sites.Read.All': 'See all sites',
  },
  // Client credentials must name one resource's `/.default` (nothing narrower exists).
  clientCredentialsScopes: ['https://graph.microsoft.com/.default'],
  revokesTokens: false,
  homePage: () => 'https://entra.microsoft.com',
})

function microsoftServer({ tenant = '', webUrl }: Place) {
  const base = webUrl ?? `https://login.microsoftonline.com/${tenant}`
  return {
    issuer: `${webUrl ?? 'https://login.microsoftonline.com'}/${tenant}/v2.0`,
    authorizationEndpoint: `${base}/oauth2/v2.0/authorize`,
    tokenEndpoint: `${base}/oauth2/v2.0/token`,
  }
}

/** Okta: rotation is the org's choice; ending an access token leaves its refresh token, but not the other way round. */
export const oktaDriver: Driver = createService({
  service: 'okta',
  title: 'Okta',
  places: ['domain', 'authorizationServerId', 'webUrl'],
  requiredOneOf: ['domain', 'webUrl'],
  server: oktaServer,
  origins: (place) => [new URL(oktaHome(place)).origin],
  authMethod: 'client_secret_basic',
  quirks: { refreshEndsAccessToken: false, offlineScope: 'offline_access' },
  defaultScopes: ['openid', 'profile', 'email'],
  scopeTitles: {
    groups: 'See your groups',
    'okta.users.read': 'See the people of the org',
    'okta.users.manage': 'Change the people of the org',
    'okta.groups.read': 'See the groups of the org',
    'okta.groups.manage': 'Change the groups of the org',
    'okta.apps.read': 'See the apps of the org',
    'okta.logs.read': 'Read the system log',
  },
  clientCredentialsScopes: [],
  revokesTokens: true,
  homePage: oktaHome,
})

function oktaHome({ domain, webUrl }: Place): string {
  return webUrl ?? `https://${domain}`
}

function oktaServer(place: Place) {
  const { authorizationServerId } = place
  const home = oktaHome(place)
  const base =
    authorizationServerId === undefined ? `${home}/oauth2` : `${home}/oauth2/${authorizationServerId}`
  return {
    issuer: authorizationServerId === undefined ? home : base,
    authorizationEndpoint: `${base}/v1/authorize`,
    tokenEndpoint: `${base}/v1/token`,
    revocationEndpoint: `${base}/v1/revoke`,
    userinfoEndpoint: `${base}/v1/userinfo`,
  }
}
